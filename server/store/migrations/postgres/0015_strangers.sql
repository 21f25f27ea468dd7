-- A code belongs to the session that asked for it: nobody's asking or guessing takes another's away. Codes live
-- for minutes, so those under way are asked for once more. When the last one went to a phone is in `rate`.
DROP TABLE sign_in_code;
CREATE TABLE sign_in_code (
    phone TEXT NOT NULL,
    -- Who asked: a name that the session keeps.
    asker TEXT NOT NULL,
    code TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries_left BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (phone, asker)
);

-- What strangers leave behind is found by its age.
CREATE INDEX sign_in_code_sent ON sign_in_code (sent_at);
CREATE INDEX rate_starts ON rate (starts_at);
CREATE INDEX sandbox_message_at ON sandbox_message (at);
CREATE INDEX callback_odd ON callback_log (at) WHERE verdict IN ('bad_signature', 'unknown');
