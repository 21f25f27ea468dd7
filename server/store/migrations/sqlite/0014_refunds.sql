-- Refunds are no longer given up: those that were are tried again.
UPDATE outbox SET state = 'waiting', due_at = 0 WHERE kind = 'refund' AND state = 'dead';
