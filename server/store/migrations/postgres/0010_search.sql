-- Search keeps the tokens as they are looked for, and not their text beside them.
CREATE TABLE sku_search_new (
    num BIGINT NOT NULL PRIMARY KEY,
    names_vector tsvector NOT NULL,
    words_vector tsvector NOT NULL
);
INSERT INTO sku_search_new (num, names_vector, words_vector) SELECT num, names_vector, words_vector FROM sku_search;
DROP TABLE sku_search;
ALTER TABLE sku_search_new RENAME TO sku_search;
CREATE INDEX sku_search_names ON sku_search USING gin (names_vector);
CREATE INDEX sku_search_words ON sku_search USING gin (words_vector);

-- The best sellers once more, numbered by how well they sell: searches look here
-- first, and find the best first.
CREATE TABLE sku_search_top (
    place BIGINT NOT NULL PRIMARY KEY,
    num BIGINT NOT NULL,
    names_vector tsvector NOT NULL,
    words_vector tsvector NOT NULL
);
CREATE INDEX sku_search_top_names ON sku_search_top USING gin (names_vector) WITH (fastupdate = off);
CREATE INDEX sku_search_top_words ON sku_search_top USING gin (words_vector) WITH (fastupdate = off);
