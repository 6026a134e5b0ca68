// Follows a waiting room: the phase, the place and the wait change by themselves. Without it, the page is loaded again and
// again.

const by = (id) => document.getElementById(id);
const room = by('room').dataset;
const query = `?sale_id=${room.sale}`;

// --- The clock: until the draw, or until the pass ends. Only the pace of that of the browser counts.

const ends = Number(room.until ?? by('start')?.dataset.starts);
const ahead = Number(room.now) - performance.now();

function tick() {
  const left = ends - ahead - performance.now();
  const seconds = Math.max(0, Math.ceil(left / 1000));
  by('clock').textContent = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (room.until && seconds <= 60) by('warning').hidden = false;
  if (left > 0) setTimeout(tick, (left % 1000) + 5);
  else if (room.until) setTimeout(() => location.reload(), 1000);
}

// --- The room

let asking;
let isDrawn = false;
let called = 0;
let fewest = Infinity;

function setAhead(number) {
  // Another instance may be a little behind.
  fewest = Math.min(fewest, number);
  by('ahead').textContent = fewest;
}

function setPhase(phase) {
  for (const id of ['heading', 'text']) by(id).textContent = by(id).dataset[phase];
  by('line').hidden = phase === 'sold_out' || phase === 'closed';
  if (by('start')) by('start').hidden = phase !== 'joining';
  document.title = `${by('heading').textContent} · Flash sale`;
}

function showRoom(state) {
  setPhase(state.phase);
  by('message').textContent = state.message ?? '';
  by('message').hidden = !state.message;
  if (room.waits === undefined) return;
  if (!room.place) {
    if (state.secret && !isDrawn) askIn(2000);
    isDrawn = Boolean(state.secret);
    return;
  }
  const isTurn = room.place <= state.called && room.place > called;
  called = state.called;
  setAhead(Math.max(0, room.place - called - 1));
  if (isTurn) askIn(500);
}

// --- The place. Not all ask at once.

const inWords = (seconds) => (seconds < 60 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`);

function showPlace({ place, ahead, wait_seconds: wait }) {
  if (!place) return;
  room.place = place;
  by('standing').hidden = false;
  by('place').textContent = place;
  by('wait').textContent = wait ? `${inWords(wait.low)} to ${inWords(wait.high)}` : 'not known now';
  setAhead(ahead);
}

async function ask() {
  let next = 4000;
  try {
    const answer = await fetch('/queue/me', { cache: 'no-store' });
    if (answer.ok) {
      const mine = await answer.json();
      // The answer has set the cookie with the pass.
      if (mine.pass) return location.reload();
      showPlace(mine);
      next = mine.poll_after_ms;
    }
  } catch {
    // The next round tries again.
  }
  clearTimeout(asking);
  asking = setTimeout(ask, next);
}

function askIn(ms) {
  clearTimeout(asking);
  asking = setTimeout(ask, ms * Math.random());
}

// --- The stream, or questions from time to time where there is no place for one

let stream;
let polling;

function follow() {
  unfollow();
  stream = new EventSource(`/queue/events${query}`);
  stream.addEventListener('room', ({ data }) => {
    const state = JSON.parse(data);
    showRoom(state);
    if (state.phase === 'closed') unfollow();
  });
  stream.addEventListener('error', () => stream.readyState === EventSource.CLOSED && void poll());
}

function unfollow() {
  clearTimeout(polling);
  stream?.close();
}

async function poll() {
  let next = 4000;
  try {
    const state = await (await fetch(`/queue${query}`)).json();
    if (state.phase) showRoom(state);
    next = state.poll_after_ms ?? next;
  } catch {
    // The next round tries again.
  }
  polling = setTimeout(poll, next * (1 + Math.random() / 5));
}

// --- Beginning

addEventListener('pageshow', (event) => event.persisted && location.reload());

// A screen reader hears of the room at most every ten seconds.
const summary = () => by('heading').textContent + (room.place ? `. ${by('ahead').textContent} are ahead of you.` : '');
let said = summary();
setInterval(() => {
  if (said !== summary()) by('news').textContent = said = summary();
}, 10000);

if (ends) tick();
if (room.place) setAhead(Number(by('ahead').textContent));
if (room.waits !== undefined && room.phase !== 'closed') askIn(4000);
let leaving;
const look = () => {
  clearTimeout(leaving);
  // A hidden page still asks for its turn.
  if (document.hidden) leaving = setTimeout(unfollow, 4000);
  else follow();
};
document.addEventListener('visibilitychange', look);
look();
