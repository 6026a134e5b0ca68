-- The roles of the service. A superuser runs this in the database of the service before the first migration, and then
-- sets their passwords. Repeating it changes nothing.

-- Owns the tables: for `flashsale migrate`, which also grants the other role what it needs (grants.sql).
DO $$ BEGIN
    CREATE ROLE flashsale_migrate LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- For `flashsale serve` and all other commands.
DO $$ BEGIN
    CREATE ROLE flashsale_serve LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- For the tables, and for the extension btree_gist, which is trusted.
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON DATABASE %I TO flashsale_migrate', current_database());
END $$;
GRANT CREATE ON SCHEMA public TO flashsale_migrate;

-- Hands over tables and views that another role has created.
DO $$ DECLARE relation record; BEGIN
    FOR relation IN
        SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')
            AND pg_get_userbyid(relowner) <> 'flashsale_migrate'
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO flashsale_migrate', relation.name);
    END LOOP;
END $$;
