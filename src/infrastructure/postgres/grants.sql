-- The rights of the role flashsale_serve, if it exists: see roles.sql. Each `flashsale migrate up` runs this.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flashsale_serve') THEN
        RETURN;
    END IF;

    REVOKE ALL ON sales, items, purchases, purchase_units, released_units, recorded_purchases, epoch, ledger_cursors,
        rejected_entries, checkout_attempts, refused_attempts, attempt_cursors, orders, leases, payments, payment_events,
        waiting_rooms, queue_entries, passes, _sqlx_migrations FROM flashsale_serve;

    GRANT SELECT ON sales, items, purchases, purchase_units, released_units, recorded_purchases, epoch, ledger_cursors,
        rejected_entries, refused_attempts, attempt_cursors, orders, leases, payments, payment_events,
        waiting_rooms, queue_entries, passes, _sqlx_migrations TO flashsale_serve;

    GRANT INSERT ON sales, items, purchases, purchase_units, released_units, ledger_cursors, rejected_entries,
        checkout_attempts, refused_attempts, attempt_cursors, orders, leases, payments, payment_events,
        waiting_rooms, queue_entries, passes TO flashsale_serve;

    GRANT UPDATE (ends_at, closed_at) ON sales TO flashsale_serve;
    GRANT UPDATE (number) ON epoch TO flashsale_serve;
    GRANT UPDATE (last_id, epoch, is_restoring) ON ledger_cursors TO flashsale_serve;
    GRANT UPDATE (last_id) ON attempt_cursors TO flashsale_serve;
    GRANT UPDATE (note) ON released_units TO flashsale_serve;
    GRANT UPDATE (released_at) ON rejected_entries TO flashsale_serve;
    GRANT UPDATE (count) ON refused_attempts TO flashsale_serve;
    GRANT UPDATE (version, status, deadline, reason, finished_at, returned_at, declines, note) ON orders
        TO flashsale_serve;
    GRANT UPDATE (state, intent, closing, closing_note, closing_since, look_at, settled_at) ON payments TO flashsale_serve;
    GRANT UPDATE (token, holder, until) ON leases TO flashsale_serve;

    GRANT UPDATE (entrants, drawn, called, rate, active_max, is_paused, message, called_at) ON waiting_rooms
        TO flashsale_serve;
    GRANT UPDATE (expires_at, is_claimed, is_used, is_wanted, extensions) ON passes TO flashsale_serve;

    -- A released unit moves to released_units.
    GRANT DELETE ON purchase_units TO flashsale_serve;
END $$;
