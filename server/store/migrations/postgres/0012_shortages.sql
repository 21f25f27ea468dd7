-- What the staff reported as missing from orders, each report under a key of its
-- own: the same report once more gets the answer of the first time.
CREATE TABLE shortage (
    store_id TEXT NOT NULL,
    key TEXT NOT NULL,
    order_id TEXT NOT NULL,
    -- Lines and packs, JSON.
    asked TEXT NOT NULL,
    -- What went back to the member.
    back BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (store_id, key)
);
