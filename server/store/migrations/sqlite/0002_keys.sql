-- The hot tables are kept in the order of their keys, without a row number
-- beside it: one tree instead of two is written for each row.
-- Movements are found by their business key; their id was looked up by nobody,
-- and neither were the lines of a SKU. Payments are looked up by their order. Only orders that still hold something,
-- and payments that can still be asked about, stand in the indexes of what is due.

CREATE TABLE stock_new (
    store_id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    on_hand BIGINT NOT NULL,
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    safety BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    source TEXT NOT NULL,
    counted_until BIGINT,
    dms_normal_milli BIGINT NOT NULL DEFAULT 0,
    dms_promo_milli BIGINT NOT NULL DEFAULT 0,
    policy TEXT NOT NULL DEFAULT 'absolute 0',
    promo_today BOOLEAN NOT NULL DEFAULT FALSE,
    sales BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, pool_id)
) WITHOUT ROWID;
INSERT INTO stock_new SELECT store_id, pool_id, on_hand, reserved, safety, as_of, source, counted_until, dms_normal_milli, dms_promo_milli, policy, promo_today, sales FROM stock;
DROP TABLE stock;
ALTER TABLE stock_new RENAME TO stock;
CREATE INDEX stock_sales ON stock (store_id, sales DESC, pool_id);
CREATE INDEX stock_counted ON stock (counted_until);

CREATE TABLE movement_new (
    store_id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    on_hand_delta BIGINT NOT NULL,
    reserved_delta BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    at BIGINT NOT NULL,
    ref_id TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (store_id, key)
) WITHOUT ROWID;
INSERT INTO movement_new SELECT store_id, pool_id, kind, on_hand_delta, reserved_delta, as_of, at, ref_id, key FROM movement;
DROP TABLE movement;
ALTER TABLE movement_new RENAME TO movement;
CREATE INDEX movement_as_of ON movement (store_id, pool_id, as_of);

CREATE TABLE orders_new (
    store_id TEXT NOT NULL,
    id TEXT NOT NULL,
    code TEXT NOT NULL,
    member_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    kind TEXT NOT NULL,
    slot_id TEXT NOT NULL,
    slot_starts_at BIGINT NOT NULL,
    slot_ends_at BIGINT NOT NULL,
    address TEXT NOT NULL,
    note TEXT NOT NULL,
    substitution_default TEXT NOT NULL,
    is_member BOOLEAN NOT NULL,
    coupon_id TEXT,
    goods BIGINT NOT NULL,
    discount BIGINT NOT NULL,
    delivery_fee BIGINT NOT NULL,
    total BIGINT NOT NULL,
    paid BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    steps TEXT NOT NULL,
    pickup_code TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    lang TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    hold_until BIGINT,
    PRIMARY KEY (store_id, id)
) WITHOUT ROWID;
INSERT INTO orders_new SELECT store_id, id, code, member_id, state, version, kind, slot_id, slot_starts_at, slot_ends_at, address, note, substitution_default, is_member, coupon_id, goods, discount, delivery_fee, total, paid, refunded, steps, pickup_code, idempotency_key, request_hash, lang, placed_at, hold_until FROM orders;
DROP TABLE orders;
ALTER TABLE orders_new RENAME TO orders;
CREATE UNIQUE INDEX orders_code ON orders (code);
CREATE UNIQUE INDEX orders_key ON orders (member_id, idempotency_key);
CREATE INDEX orders_member ON orders (member_id, placed_at);
CREATE INDEX orders_hold ON orders (hold_until) WHERE hold_until IS NOT NULL;

CREATE TABLE order_line_new (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_no BIGINT NOT NULL,
    sku_id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    pack_size BIGINT NOT NULL,
    qty BIGINT NOT NULL,
    short_qty BIGINT NOT NULL DEFAULT 0,
    shelf_price BIGINT NOT NULL,
    unit_price BIGINT NOT NULL,
    gross BIGINT NOT NULL,
    discount BIGINT NOT NULL,
    total BIGINT NOT NULL,
    refunded BIGINT NOT NULL DEFAULT 0,
    choice TEXT NOT NULL,
    chosen TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    picture TEXT NOT NULL,
    sku_code TEXT NOT NULL,
    PRIMARY KEY (store_id, order_id, line_no)
) WITHOUT ROWID;
INSERT INTO order_line_new SELECT store_id, order_id, line_no, sku_id, pool_id, pack_size, qty, short_qty, shelf_price, unit_price, gross, discount, total, refunded, choice, chosen, name_zh, name_en, picture, sku_code FROM order_line;
DROP TABLE order_line;
ALTER TABLE order_line_new RENAME TO order_line;

CREATE TABLE line_share_new (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_no BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    step TEXT NOT NULL,
    offer_id TEXT NOT NULL DEFAULT '',
    amount BIGINT NOT NULL,
    PRIMARY KEY (store_id, order_id, line_no, step_no)
) WITHOUT ROWID;
INSERT INTO line_share_new SELECT store_id, order_id, line_no, step_no, step, offer_id, amount FROM line_share;
DROP TABLE line_share;
ALTER TABLE line_share_new RENAME TO line_share;

CREATE TABLE order_event_new (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (store_id, order_id, seq)
) WITHOUT ROWID;
INSERT INTO order_event_new SELECT store_id, order_id, seq, at, kind, actor, detail FROM order_event;
DROP TABLE order_event;
ALTER TABLE order_event_new RENAME TO order_event;

CREATE TABLE payment_new (
    store_id TEXT NOT NULL,
    id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    trade_no TEXT NOT NULL UNIQUE,
    channel_no TEXT NOT NULL DEFAULT '',
    amount BIGINT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    polls BIGINT NOT NULL DEFAULT 0,
    poll_at BIGINT NOT NULL,
    PRIMARY KEY (store_id, order_id, id)
) WITHOUT ROWID;
INSERT INTO payment_new SELECT store_id, id, order_id, member_id, channel, trade_no, channel_no, amount, state, created_at, confirmed_at, polls, poll_at FROM payment;
DROP TABLE payment;
ALTER TABLE payment_new RENAME TO payment;
CREATE INDEX payment_poll ON payment (poll_at) WHERE state = 'created';

CREATE TABLE offer_use_new (
    member_id TEXT NOT NULL,
    offer_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    uses BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (member_id, offer_id, order_id)
) WITHOUT ROWID;
INSERT INTO offer_use_new SELECT member_id, offer_id, order_id, uses, amount, state FROM offer_use;
DROP TABLE offer_use;
ALTER TABLE offer_use_new RENAME TO offer_use;
CREATE INDEX offer_use_order ON offer_use (order_id);

CREATE TABLE basket_new (
    id TEXT NOT NULL PRIMARY KEY,
    undo TEXT NOT NULL DEFAULT '',
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO basket_new SELECT id, undo, updated_at FROM basket;
DROP TABLE basket;
ALTER TABLE basket_new RENAME TO basket;

CREATE TABLE basket_line_new (
    basket_id TEXT NOT NULL,
    sku_id TEXT NOT NULL,
    qty BIGINT NOT NULL CHECK (qty > 0),
    choice TEXT NOT NULL DEFAULT '',
    chosen TEXT NOT NULL DEFAULT '[]',
    added_at BIGINT NOT NULL,
    PRIMARY KEY (basket_id, sku_id)
) WITHOUT ROWID;
INSERT INTO basket_line_new SELECT basket_id, sku_id, qty, choice, chosen, added_at FROM basket_line;
DROP TABLE basket_line;
ALTER TABLE basket_line_new RENAME TO basket_line;

CREATE TABLE address_new (
    member_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT NOT NULL,
    area TEXT NOT NULL,
    detail TEXT NOT NULL,
    lat_e6 BIGINT,
    lon_e6 BIGINT,
    is_default BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (member_id, id)
) WITHOUT ROWID;
INSERT INTO address_new SELECT member_id, id, name, phone, area, detail, lat_e6, lon_e6, is_default, updated_at FROM address;
DROP TABLE address;
ALTER TABLE address_new RENAME TO address;

CREATE TABLE session_new (
    id TEXT NOT NULL PRIMARY KEY,
    member_id TEXT,
    data TEXT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO session_new SELECT id, member_id, data, expires_at FROM session;
DROP TABLE session;
ALTER TABLE session_new RENAME TO session;
CREATE INDEX session_expires ON session (expires_at);

CREATE TABLE callback_log_new (
    id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    trade_no TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO callback_log_new SELECT id, channel, at, verdict, trade_no, body FROM callback_log;
DROP TABLE callback_log;
ALTER TABLE callback_log_new RENAME TO callback_log;
CREATE INDEX callback_trade ON callback_log (trade_no);

CREATE TABLE sandbox_trade_new (
    trade_no TEXT NOT NULL PRIMARY KEY,
    channel_no TEXT NOT NULL,
    amount BIGINT NOT NULL,
    refunded BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    subject TEXT NOT NULL,
    back TEXT NOT NULL,
    created_at BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO sandbox_trade_new SELECT trade_no, channel_no, amount, refunded, state, subject, back, created_at FROM sandbox_trade;
DROP TABLE sandbox_trade;
ALTER TABLE sandbox_trade_new RENAME TO sandbox_trade;
