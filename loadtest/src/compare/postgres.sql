-- Wallets, holds and operations, and one function for each command. Money is whole units.
--
-- A page of wallets keeps room for new versions of its rows, so that updates touch no index.
CREATE TABLE wallets (
    id text PRIMARY KEY,
    available bigint NOT NULL,
    held bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE holds (
    wallet text NOT NULL,
    id text NOT NULL,
    amount bigint NOT NULL,
    captured bigint,
    PRIMARY KEY (wallet, id)
) WITH (fillfactor = 80);

CREATE TABLE operations (
    wallet text NOT NULL,
    id text NOT NULL,
    receipt text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wallet, id)
);

-- The receipt is looked for again after a judgement that a retry running beside this one may have
-- caused; two that both passed meet at the key of `operations`, and the second is undone.
CREATE FUNCTION authorize(w text, op text, money bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
BEGIN
    SELECT receipt INTO answer FROM operations WHERE wallet = w AND id = op;
    IF FOUND THEN
        RETURN answer;
    END IF;
    UPDATE wallets SET available = available - money, held = held + money
        WHERE id = w AND available >= money
        RETURNING 'held ' || available || ' ' || held INTO answer;
    IF NOT FOUND THEN
        SELECT receipt INTO answer FROM operations WHERE wallet = w AND id = op;
        IF FOUND THEN
            RETURN answer;
        END IF;
        SELECT 'declined ' || available || ' ' || held INTO STRICT answer FROM wallets WHERE id = w;
        RETURN answer;
    END IF;
    INSERT INTO operations (wallet, id, receipt) VALUES (w, op, answer) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a retry ran beside this call; call again' USING ERRCODE = '40001';
    END IF;
    INSERT INTO holds (wallet, id, amount) VALUES (w, op, money);
    RETURN answer;
END
$$;

CREATE FUNCTION capture(w text, hold text, money bigint, op text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    reserved bigint;
BEGIN
    SELECT receipt INTO answer FROM operations WHERE wallet = w AND id = op;
    IF FOUND THEN
        RETURN answer;
    END IF;
    UPDATE holds SET captured = money
        WHERE wallet = w AND id = hold AND captured IS NULL AND amount >= money
        RETURNING amount INTO reserved;
    IF NOT FOUND THEN
        SELECT receipt INTO answer FROM operations WHERE wallet = w AND id = op;
        IF FOUND THEN
            RETURN answer;
        END IF;
        RAISE EXCEPTION 'no such hold, or it is smaller';
    END IF;
    UPDATE wallets SET available = available + reserved - money, held = held - reserved
        WHERE id = w
        RETURNING 'captured ' || available || ' ' || held INTO answer;
    INSERT INTO operations (wallet, id, receipt) VALUES (w, op, answer) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a retry ran beside this call; call again' USING ERRCODE = '40001';
    END IF;
    RETURN answer;
END
$$;
