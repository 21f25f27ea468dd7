-- PostgreSQL's search index becomes two; SQLite's stops at the first rows by itself.
SELECT 1;
