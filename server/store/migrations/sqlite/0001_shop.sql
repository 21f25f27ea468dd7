-- The shop from its first sale on. Money is bigint fen, stock bigint base
-- units, time bigint UTC milliseconds, lists and snapshots JSON in text.
-- Hot tables begin their keys with the store or the member.

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE store (
    id TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    lat_e6 BIGINT NOT NULL,
    lon_e6 BIGINT NOT NULL,
    address_zh TEXT NOT NULL,
    address_en TEXT NOT NULL,
    phone TEXT NOT NULL,
    zone TEXT NOT NULL,
    opens_min BIGINT NOT NULL,
    closes_min BIGINT NOT NULL,
    delivery_radius_m BIGINT NOT NULL,
    delivery_fee BIGINT NOT NULL,
    free_delivery_above BIGINT,
    sort BIGINT NOT NULL DEFAULT 0,
    -- Up to when the tills have reported their sales.
    feed_until BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE slot_template (
    store_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_min BIGINT NOT NULL,
    end_min BIGINT NOT NULL,
    weekdays TEXT NOT NULL,
    capacity BIGINT NOT NULL,
    cutoff_min BIGINT NOT NULL,
    PRIMARY KEY (store_id, kind, start_min, end_min)
);

CREATE TABLE slot (
    store_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    day BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    cutoff_at BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    taken BIGINT NOT NULL DEFAULT 0 CHECK (taken >= 0),
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, kind, starts_at, ends_at)
);

CREATE TABLE category (
    id TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    parent_id TEXT,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    picture TEXT NOT NULL,
    sort BIGINT NOT NULL,
    count_holds_day BOOLEAN NOT NULL
);

CREATE TABLE pool (
    id TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    base_unit TEXT NOT NULL
);

CREATE TABLE sku (
    id TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    product TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    option_zh TEXT NOT NULL,
    option_en TEXT NOT NULL,
    brand_zh TEXT NOT NULL,
    brand_en TEXT NOT NULL,
    barcode TEXT NOT NULL,
    category_id TEXT NOT NULL,
    size_zh TEXT NOT NULL,
    size_en TEXT NOT NULL,
    by_weight BOOLEAN NOT NULL,
    pool_id TEXT NOT NULL,
    pack_size BIGINT NOT NULL CHECK (pack_size > 0),
    price BIGINT NOT NULL CHECK (price >= 0),
    member_price BIGINT,
    measure_amount BIGINT,
    measure_unit TEXT NOT NULL,
    allergens TEXT NOT NULL,
    diet TEXT NOT NULL,
    storage TEXT NOT NULL,
    age_limit BIGINT,
    counted BOOLEAN NOT NULL,
    picture TEXT NOT NULL,
    description_zh TEXT NOT NULL,
    description_en TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    updated_at BIGINT NOT NULL,
    -- A number for the search index, and a digest of what was imported.
    num BIGINT NOT NULL UNIQUE,
    digest TEXT NOT NULL
);
-- These two hold all that a list chooses by.
CREATE INDEX sku_category ON sku (category_id, active, pool_id, num);
CREATE INDEX sku_pool ON sku (pool_id, active, category_id, num);
CREATE INDEX sku_product ON sku (product);
CREATE INDEX sku_barcode ON sku (barcode);
CREATE INDEX sku_price ON sku (price, id);

-- How much stays on the shelf: the nearest of SKU, category up the tree, store, chain.
CREATE TABLE safety_policy (
    scope TEXT NOT NULL,
    scope_id TEXT NOT NULL,
    store_id TEXT NOT NULL DEFAULT '',
    policy TEXT NOT NULL,
    PRIMARY KEY (scope, scope_id, store_id)
);

-- The level of a pool in a store: the sum of its movements, kept beside them.
CREATE TABLE stock (
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
    -- The policy that holds (resolved), and whether a promotion is on today.
    policy TEXT NOT NULL DEFAULT 'absolute 0',
    promo_today BOOLEAN NOT NULL DEFAULT FALSE,
    -- The mean daily sales that fit today: lists walk the index, what sells most first.
    sales BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (store_id, pool_id)
);
CREATE INDEX stock_sales ON stock (store_id, sales DESC, pool_id);
CREATE INDEX stock_counted ON stock (counted_until);

CREATE TABLE movement (
    store_id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    on_hand_delta BIGINT NOT NULL,
    reserved_delta BIGINT NOT NULL,
    as_of BIGINT NOT NULL,
    at BIGINT NOT NULL,
    ref_id TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (store_id, pool_id, id),
    UNIQUE (store_id, key)
);
CREATE INDEX movement_as_of ON movement (store_id, pool_id, as_of);

-- Till sales a day, for the mean daily sales (DMS).
CREATE TABLE sale_day (
    store_id TEXT NOT NULL,
    pool_id TEXT NOT NULL,
    day BIGINT NOT NULL,
    promo BOOLEAN NOT NULL,
    units BIGINT NOT NULL,
    PRIMARY KEY (store_id, pool_id, day, promo)
);
CREATE INDEX sale_day_day ON sale_day (store_id, day);

CREATE TABLE feed_batch (
    store_id TEXT NOT NULL,
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (store_id, key)
);

CREATE TABLE api_token (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE offer (
    id TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name_zh TEXT NOT NULL,
    name_en TEXT NOT NULL,
    store_id TEXT NOT NULL DEFAULT '',
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    scope TEXT NOT NULL,
    terms TEXT NOT NULL,
    excludes TEXT NOT NULL,
    per_member BIGINT,
    total BIGINT,
    budget BIGINT,
    used BIGINT NOT NULL DEFAULT 0 CHECK (used >= 0),
    spent BIGINT NOT NULL DEFAULT 0 CHECK (spent >= 0)
);
CREATE INDEX offer_time ON offer (ends_at, starts_at);

-- Places of an offer taken by an order; given back when its hold runs out.
CREATE TABLE offer_use (
    member_id TEXT NOT NULL,
    offer_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    uses BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (member_id, offer_id, order_id)
);
CREATE INDEX offer_use_order ON offer_use (order_id);

CREATE TABLE coupon (
    member_id TEXT NOT NULL,
    id TEXT NOT NULL,
    offer_id TEXT NOT NULL,
    state TEXT NOT NULL,
    order_id TEXT,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (member_id, id),
    UNIQUE (member_id, key)
);

CREATE TABLE banner (
    code TEXT NOT NULL PRIMARY KEY,
    title_zh TEXT NOT NULL,
    title_en TEXT NOT NULL,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    link TEXT NOT NULL,
    picture TEXT NOT NULL,
    sort BIGINT NOT NULL
);

CREATE TABLE member (
    id TEXT NOT NULL PRIMARY KEY,
    phone TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    is_member BOOLEAN NOT NULL DEFAULT FALSE,
    member_until BIGINT,
    home_store_id TEXT,
    substitution_default TEXT NOT NULL,
    never_brands TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sign_in_code (
    phone TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    tries_left BIGINT NOT NULL,
    sent_at BIGINT NOT NULL
);

-- Counters of tries by phone, session and address, each in a window of time.
CREATE TABLE rate (
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (scope, subject)
);

CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    member_id TEXT,
    data TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires_at);

CREATE TABLE staff (
    id TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    store_id TEXT,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE address (
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
);

-- What a member chose for a product if it is missing; remembered.
CREATE TABLE substitution_choice (
    member_id TEXT NOT NULL,
    sku_id TEXT NOT NULL,
    choice TEXT NOT NULL,
    chosen TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (member_id, sku_id)
);

-- Pairs that members accepted or declined, for ranking.
CREATE TABLE substitution_pair (
    sku_id TEXT NOT NULL,
    substitute_id TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    declined BIGINT NOT NULL,
    PRIMARY KEY (sku_id, substitute_id)
);

CREATE TABLE basket (
    id TEXT NOT NULL PRIMARY KEY,
    undo TEXT NOT NULL DEFAULT '',
    updated_at BIGINT NOT NULL
);

CREATE TABLE basket_line (
    basket_id TEXT NOT NULL,
    sku_id TEXT NOT NULL,
    qty BIGINT NOT NULL CHECK (qty > 0),
    choice TEXT NOT NULL DEFAULT '',
    chosen TEXT NOT NULL DEFAULT '[]',
    added_at BIGINT NOT NULL,
    PRIMARY KEY (basket_id, sku_id)
);

CREATE TABLE orders (
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
);
CREATE UNIQUE INDEX orders_code ON orders (code);
CREATE UNIQUE INDEX orders_key ON orders (member_id, idempotency_key);
CREATE INDEX orders_member ON orders (member_id, placed_at);
CREATE INDEX orders_hold ON orders (hold_until);

CREATE TABLE order_line (
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
);
CREATE INDEX order_line_sku ON order_line (store_id, sku_id);

-- Each discount step's share on each line, in fen.
CREATE TABLE line_share (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    line_no BIGINT NOT NULL,
    step_no BIGINT NOT NULL,
    step TEXT NOT NULL,
    offer_id TEXT NOT NULL DEFAULT '',
    amount BIGINT NOT NULL,
    PRIMARY KEY (store_id, order_id, line_no, step_no)
);

CREATE TABLE order_event (
    store_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (store_id, order_id, seq)
);

CREATE TABLE payment (
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
    PRIMARY KEY (store_id, id)
);
CREATE INDEX payment_poll ON payment (state, poll_at);
CREATE INDEX payment_order ON payment (store_id, order_id);

CREATE TABLE refund (
    store_id TEXT NOT NULL,
    id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    delivery BIGINT NOT NULL,
    lines TEXT NOT NULL,
    key TEXT NOT NULL,
    channel_no TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (store_id, id),
    UNIQUE (store_id, key)
);
CREATE INDEX refund_order ON refund (store_id, order_id);

-- What must be told to the outside after the commit.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    last_error TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (state, due_at);

-- What each transaction touched, for the caches and open pages of other
-- processes; kept for minutes. `seq` is counted up.
CREATE TABLE news (
    seq BIGINT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    touched TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Periodic jobs: who has each in hand, until when, and when it was last done.
CREATE TABLE job (
    name TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    until_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL
);

CREATE TABLE callback_log (
    id TEXT NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    at BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    trade_no TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX callback_trade ON callback_log (trade_no);

CREATE TABLE message (
    member_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    at BIGINT NOT NULL,
    read_at BIGINT,
    PRIMARY KEY (member_id, id)
);

-- Who looked at whose personal data, at what, when and why.
CREATE TABLE look_log (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    -- The member, or `*` for all of them.
    subject TEXT NOT NULL,
    what TEXT NOT NULL,
    purpose TEXT NOT NULL
);
CREATE INDEX look_subject ON look_log (subject, at);

-- The sandbox payment channel keeps its own books, apart from the shop's.
CREATE TABLE sandbox_trade (
    trade_no TEXT NOT NULL PRIMARY KEY,
    channel_no TEXT NOT NULL,
    amount BIGINT NOT NULL,
    refunded BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    subject TEXT NOT NULL,
    back TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE sandbox_refund (
    key TEXT NOT NULL PRIMARY KEY,
    trade_no TEXT NOT NULL,
    amount BIGINT NOT NULL,
    channel_no TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- The text messages that the sandbox's messenger delivered: the last one of a phone.
CREATE TABLE sandbox_message (
    phone TEXT NOT NULL PRIMARY KEY,
    code TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE sandbox_callback (
    id TEXT NOT NULL PRIMARY KEY,
    trade_no TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    signature TEXT NOT NULL,
    tries BIGINT NOT NULL,
    state TEXT NOT NULL
);
CREATE INDEX sandbox_callback_due ON sandbox_callback (state, due_at);

-- Search: tokens made by the service (jieba words, pinyin, codes). The row's
-- number is the SKU's `num`.
CREATE VIRTUAL TABLE sku_search USING fts5 (names, words, tokenize = 'unicode61 remove_diacritics 0', prefix = '2 3');
