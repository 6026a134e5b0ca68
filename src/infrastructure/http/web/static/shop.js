// Adds to the pages of the storefront: a clock that runs, stock that changes by itself, and forms that say what they do.
// Without it, every page works by links and plain forms.

const by = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const sale = by('sale');
const clock = by('clock');
const told = by('told');

// --- The clock of the service. That of the browser may be wrong, so only its pace counts.

const timed = sale ?? clock?.closest('[data-now]');
let ahead = Number(timed?.dataset.now) - performance.now();
const now = () => performance.now() + ahead;

// Of three samples, the one with the shortest round trip has the smallest error.
async function setClock(path) {
  let shortest = Infinity;
  for (let sample = 0; sample < 3; sample++) {
    try {
      const sent = performance.now();
      const answer = await fetch(path, { cache: 'no-store' });
      const took = performance.now() - sent;
      const { server_time } = await answer.json();
      if (server_time && took < shortest) {
        shortest = took;
        ahead = Date.parse(server_time) - sent - took / 2;
      }
    } catch {
      await pause(1000);
    }
  }
}

function span(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const days = Math.floor(s / 86400);
  const rest = `${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return days ? `${days} d ${rest}` : rest;
}

const starts = Number(sale?.dataset.starts);
let ends = Number(sale?.dataset.ends ?? timed?.dataset.until);
const isOpen = () => !(now() < starts) && now() < ends;

let ticking;

function tick() {
  clearTimeout(ticking);
  const isEarly = now() < starts;
  const left = (isEarly ? starts : ends) - now();
  clock.textContent = span(left);
  if (by('until')) by('until').textContent = isEarly ? 'Starts in' : left > 0 ? 'Ends in' : 'Over:';
  setTitle();
  setButtons();
  if (left > 0) ticking = setTimeout(tick, Math.min(left, left % 1000 || 1000) + 5);
}

function setButtons() {
  for (const button of all('[data-n] button[name=item][data-add]')) {
    button.disabled = !isOpen() || Boolean(button.closest('.gone'));
  }
}

// --- Stock

const shown = new Map(all('[data-n]').map((place) => [Number(place.dataset.n), place]));
const gone = [];

function setLeft(number, left) {
  const place = shown.get(number);
  const count = place?.querySelector('i');
  const text = left ? `${left} left` : 'sold out';
  if (!count || count.textContent === text) return;
  count.textContent = text;
  if (!left) gone.push((place.querySelector('a span') ?? by('main').querySelector('h1')).textContent);
  place.classList.toggle('gone', !left);
  setButtons();
}

const items = Number(by('stock')?.max);
let itemsLeft = Number(by('stock')?.value);

function setTotal(left) {
  if (!by('stock') || left === itemsLeft) return;
  itemsLeft = left;
  by('stock').value = left;
  by('left').textContent = left;
  setTitle();
}

function setTitle() {
  if (!by('stock')) return;
  const title = by('main').querySelector('h1');
  const words = now() < starts ? 'Opens soon' : !isOpen() ? 'This sale is over' : itemsLeft ? 'On sale now' : 'Sold out';
  if (title.textContent !== words) title.textContent = words;
}

// A screen reader hears of the stock at most every ten seconds.
let saidLeft = itemsLeft;
function sayNews() {
  const news = gone.splice(0).slice(-3).map((name) => `${name} is sold out.`);
  if (itemsLeft !== saidLeft) news.push(`${itemsLeft} items left.`);
  saidLeft = itemsLeft;
  if (news.length) by('news').textContent = news.join(' ');
}

const pairs = (text) => text.split(' ').filter(Boolean).map((pair) => pair.split(':').map(Number));
let soldOut = new Set();

function readSnapshot({ data }) {
  const state = JSON.parse(data);
  const bytes = [...atob(state.sold_out)].map((byte) => byte.charCodeAt(0));
  soldOut = new Set(bytes.flatMap((byte, at) => [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => at * 8 + bit + 1)));
  const begun = new Map(pairs(state.left));
  for (const [number, place] of shown) {
    setLeft(number, soldOut.has(number) ? 0 : (begun.get(number) ?? Number(place.dataset.of ?? 1)));
  }
  setTotal(items - soldOut.size);
  setEnd(Date.parse(state.ended_at));
}

function readDelta({ data }) {
  for (const [number, left = 0] of pairs(data)) {
    if (!number) continue;
    if (left) soldOut.delete(number);
    else soldOut.add(number);
    setLeft(number, left);
  }
  setTotal(items - soldOut.size);
}

function readEnd({ data }) {
  stopWatching();
  if (JSON.parse(data).reason === 'closed') return setEnd(Math.min(ends, now()));
  shown.forEach((_, number) => setLeft(number, 0));
  setTotal(0);
}

function setEnd(time) {
  if (time === ends) return;
  ends = time;
  if (clock) tick();
}

let watching = 0;
let stream;

function watch() {
  stopWatching();
  const run = watching;
  let failures = 0;
  stream = new EventSource(`/sales/${sale.dataset.id}/events`);
  stream.addEventListener('snapshot', readSnapshot);
  stream.addEventListener('snapshot', () => (failures = 0));
  stream.addEventListener('delta', readDelta);
  stream.addEventListener('end', readEnd);
  // A lost connection comes back by itself; one that was refused does not.
  stream.addEventListener('error', () => {
    if (run !== watching || (stream.readyState !== EventSource.CLOSED && ++failures < 3)) return;
    stream.close();
    void poll(run);
  });
}

function stopWatching() {
  watching++;
  stream?.close();
}

// Asks from time to time while there is no stream.
async function poll(run) {
  const own = `/sales/${sale.dataset.id}`;
  let path = '/sales/active';
  let tag, known;
  for (let round = 0; run === watching; round++) {
    try {
      const answer = await fetch(path, { headers: tag ? { 'If-None-Match': tag } : {} });
      if (answer.status !== 304) {
        tag = answer.headers.get('ETag');
        const state = await answer.json();
        if (state.id === sale.dataset.id) {
          setTotal(state.items_remaining);
          setEnd(Date.parse(state.ended_at));
          if (state.units_remaining !== known) await readItems();
          known = state.units_remaining;
        } else if (path !== own) {
          // Another sale is the current one.
          [path, tag] = [own, null];
          continue;
        }
      }
    } catch {
      // The next round tries again.
    }
    await pause(4000 + 2000 * Math.random());
    if (round > 12 && run === watching) return watch();
  }
}

async function readItems() {
  const pages = new Set([...shown.keys()].map((number) => Math.ceil(number / 50)));
  for (const page of [...pages].slice(0, 4)) {
    const list = await (await fetch(`/sales/${sale.dataset.id}/items?per_page=50&page=${page}`)).json();
    for (const item of list.items ?? []) setLeft(Number(item.id.split('-').pop()), item.remaining);
  }
}

// --- Forms

const say = (text) => void (told.textContent = text);

function show(text) {
  const note = document.createElement('div');
  note.className = 'note';
  note.role = 'alert';
  note.textContent = text;
  document.querySelector('main > .note')?.remove();
  by('main').prepend(note);
  note.scrollIntoView({ block: 'nearest' });
}

// What is sold has left the cart: the page is made again, and says it there.
function showAfterReload(problem) {
  const names = (problem.unavailable ?? []).map((id) => shown.get(Number(id.split('-').pop()))?.querySelector('a span'));
  sessionStorage.setItem('note', `Sold: ${names.map((name) => name?.textContent).join(', ')}. ${problem.detail}`);
  location.reload();
}

async function send(form, button) {
  const body = new URLSearchParams(new FormData(form, button));
  const label = button.textContent;
  const wait = form.dataset.wait ?? 'One moment …';
  form.ariaBusy = 'true';
  button.textContent = wait;
  say(wait);
  try {
    const answer = await decided(form.action, body);
    if (answer.ok) return arrive(form, button, answer.headers.get('Location'));
    const problem = await answer.json();
    if (problem.code === 'admission_required') return location.assign(`/shop/queue?sale=${sale.dataset.id}`);
    if (problem.code === 'items_sold') return showAfterReload(problem);
    if (problem.code === 'item_sold') setLeft(Number(button.closest('[data-n]')?.dataset.n), 0);
    show(problem.detail);
  } catch {
    show('That did not work. Please try again.');
  }
  form.ariaBusy = 'false';
  button.textContent = label;
  say('');
}

// Sends the same form until there is an answer. It does its work once, however often it arrives.
async function decided(path, body) {
  for (let tries = 0, early = 0; ; tries++) {
    let answer;
    try {
      const headers = { Accept: 'application/json' };
      answer = await fetch(path, { method: 'POST', body, headers, signal: AbortSignal.timeout(15000) });
    } catch {
      say('No connection. Trying again …');
      await pause(Math.min(500 * 2 ** tries, 4000) * (0.5 + Math.random() / 2));
      continue;
    }
    if (answer.status === 503 || answer.status === 429) {
      if (tries > 9) return answer;
      say('Very busy. Trying again …');
      await pause(Number(answer.headers.get('Retry-After') ?? 1) * 1000 * (0.5 + Math.random()));
    } else if (answer.status === 409 && early++ < 3 && (await answer.clone().json()).code === 'sale_not_started') {
      await pause(150 * early);
    } else {
      return answer;
    }
  }
}

function arrive(form, button, path) {
  if (!button.closest('.cards')) return location.assign(path);
  form.ariaBusy = 'false';
  button.textContent = 'Added';
  say('Added to your cart.');
}

document.addEventListener('submit', (event) => {
  const { target: form, submitter } = event;
  if (form.method !== 'post' || !submitter) return;
  event.preventDefault();
  if (form.ariaBusy !== 'true') void send(form, submitter);
});

// --- Beginning

addEventListener('pageshow', (event) => event.persisted && location.reload());

const note = sessionStorage.getItem('note');
sessionStorage.removeItem('note');
if (note) show(note);

if (clock) tick();
if (sale) {
  setInterval(sayNews, 10000);
  let leaving;
  const follow = () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(stopWatching, 4000);
    } else {
      // A machine that slept may have stopped counting.
      void setClock(`/sales/${sale.dataset.id}`);
      watch();
    }
  };
  document.addEventListener('visibilitychange', follow);
  follow();
}
