-- Search knows where a token stands by its column alone: smaller, and quicker to write.
CREATE VIRTUAL TABLE sku_search_new USING fts5 (
    names, words, tokenize = 'unicode61 remove_diacritics 0', detail = column, columnsize = 0
);
INSERT INTO sku_search_new (rowid, names, words) SELECT rowid, names, words FROM sku_search;
DROP TABLE sku_search;
ALTER TABLE sku_search_new RENAME TO sku_search;
-- Segments are merged by eights: an import writes less often what it wrote.
INSERT INTO sku_search (sku_search, rank) VALUES ('automerge', 8);

-- The best sellers once more, numbered by how well they sell: searches look here
-- first, and find the best first.
CREATE VIRTUAL TABLE sku_search_top USING fts5 (
    names, words, num UNINDEXED, tokenize = 'unicode61 remove_diacritics 0', detail = column, columnsize = 0,
    prefix = '1 2 3'
);
