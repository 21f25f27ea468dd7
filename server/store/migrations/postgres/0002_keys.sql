-- Movements are found by their business key; their id was looked up by nobody,
-- and neither were the lines of a SKU. Payments are looked up by their order. Only orders that still hold something,
-- and payments that can still be asked about, stand in the indexes of what is due.

ALTER TABLE movement DROP CONSTRAINT movement_pkey;
ALTER TABLE movement DROP CONSTRAINT movement_store_id_key_key;
ALTER TABLE movement ADD PRIMARY KEY (store_id, key);
ALTER TABLE movement DROP COLUMN id;

DROP INDEX order_line_sku;

ALTER TABLE payment DROP CONSTRAINT payment_pkey;
ALTER TABLE payment ADD PRIMARY KEY (store_id, order_id, id);
DROP INDEX payment_order;

DROP INDEX orders_hold;
CREATE INDEX orders_hold ON orders (hold_until) WHERE hold_until IS NOT NULL;

DROP INDEX payment_poll;
CREATE INDEX payment_poll ON payment (poll_at) WHERE state = 'created';
