-- SKUs are kept in the order of their numbers: lists and searches, which know
-- goods by number, find the row at once, and there is one index less to write.

CREATE TABLE sku_new (
    num INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
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
    digest TEXT NOT NULL
);
INSERT INTO sku_new (
    num, id, code, product, name_zh, name_en, option_zh, option_en, brand_zh, brand_en, barcode, category_id,
    size_zh, size_en, by_weight, pool_id, pack_size, price, member_price, measure_amount, measure_unit,
    allergens, diet, storage, age_limit, counted, picture, description_zh, description_en, active, updated_at,
    digest
)
SELECT
    num, id, code, product, name_zh, name_en, option_zh, option_en, brand_zh, brand_en, barcode, category_id,
    size_zh, size_en, by_weight, pool_id, pack_size, price, member_price, measure_amount, measure_unit,
    allergens, diet, storage, age_limit, counted, picture, description_zh, description_en, active, updated_at,
    digest
FROM sku ORDER BY num;
DROP TABLE sku;
ALTER TABLE sku_new RENAME TO sku;
-- These two, with the number that each index has, hold all that a list chooses by.
CREATE INDEX sku_category ON sku (category_id, active, pool_id);
CREATE INDEX sku_pool ON sku (pool_id, active, category_id);
CREATE INDEX sku_product ON sku (product);
CREATE INDEX sku_barcode ON sku (barcode);
CREATE INDEX sku_price ON sku (price, id);

-- Tokens come apart by spaces and in lower case. A tokenizer with a mind of its own
-- about letters would cut some of them once more: vowels of Hebrew, Thai or Hindi are
-- marks to it, and letters that are younger than its tables are none.
CREATE VIRTUAL TABLE sku_search_new USING fts5 (
    names, words, tokenize = 'ascii', detail = column, columnsize = 0
);
INSERT INTO sku_search_new (rowid, names, words) SELECT rowid, names, words FROM sku_search ORDER BY rowid;
DROP TABLE sku_search;
ALTER TABLE sku_search_new RENAME TO sku_search;
INSERT INTO sku_search (sku_search, rank) VALUES ('automerge', 8);

CREATE VIRTUAL TABLE sku_search_top_new USING fts5 (
    names, words, num UNINDEXED, tokenize = 'ascii', detail = column, columnsize = 0, prefix = '1 2 3'
);
INSERT INTO sku_search_top_new (rowid, names, words, num)
SELECT rowid, names, words, num FROM sku_search_top ORDER BY rowid;
DROP TABLE sku_search_top;
ALTER TABLE sku_search_top_new RENAME TO sku_search_top;
