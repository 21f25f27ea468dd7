-- One index finds what is said of goods, names and all: a search in names looks
-- there, and at the names of what it finds.
DROP INDEX sku_search_names;
DROP INDEX sku_search_top_names;
