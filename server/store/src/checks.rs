//! Proofs of the books. Each is a query that finds what should not be there:
//! a level that is not the sum of its movements, shares that do not add up to
//! the discount, a refund beyond what was paid. In a sound shop all are empty.

use crate::{Conn, Result};

/// Findings of one proof that are read at most; one is a defect already.
pub const MOST: i64 = 100;

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct Odd {
    /// What it concerns: store and pool, order, slot, offer.
    pub subject: String,
    /// What the books should say.
    pub expected: i64,
    /// What they say.
    pub found: i64,
}

/// A proof: its name and the query for what breaks it.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// What always holds, in words.
    pub rule: &'static str,
    sql: &'static str,
}

impl Proof {
    /// What breaks it; nothing in a sound shop.
    pub async fn run(&self, conn: &mut Conn) -> Result<Vec<Odd>> {
        conn.all(self.sql, crate::vals![MOST]).await
    }
}

/// Orders that hold reserved units, as the domain's table of transitions says.
macro_rules! holding {
    () => {
        "('pending_payment', 'paid', 'accepted', 'picking')"
    };
}

/// Every proof there is.
pub const PROOFS: &[Proof] = &[
    Proof {
        rule: "what is on hand is the sum of its movements",
        sql: "SELECT s.store_id || '/' || s.pool_id AS subject, COALESCE(m.total, 0) AS expected, s.on_hand AS found \
              FROM stock s LEFT JOIN (SELECT store_id, pool_id, CAST(SUM(on_hand_delta) AS BIGINT) AS total \
              FROM movement GROUP BY store_id, pool_id) m ON m.store_id = s.store_id AND m.pool_id = s.pool_id \
              WHERE s.on_hand <> COALESCE(m.total, 0) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "what is reserved is the sum of its movements",
        sql: "SELECT s.store_id || '/' || s.pool_id AS subject, COALESCE(m.total, 0) AS expected, s.reserved AS found \
              FROM stock s LEFT JOIN (SELECT store_id, pool_id, CAST(SUM(reserved_delta) AS BIGINT) AS total \
              FROM movement GROUP BY store_id, pool_id) m ON m.store_id = s.store_id AND m.pool_id = s.pool_id \
              WHERE s.reserved <> COALESCE(m.total, 0) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "what is reserved is what orders hold",
        sql: concat!(
            "SELECT s.store_id || '/' || s.pool_id AS subject, COALESCE(h.held, 0) AS expected, s.reserved AS found \
             FROM stock s LEFT JOIN (SELECT l.store_id, l.pool_id, \
             CAST(SUM((l.qty - l.short_qty) * l.pack_size) AS BIGINT) AS held FROM orders o \
             JOIN order_line l ON l.store_id = o.store_id AND l.order_id = o.id WHERE o.state IN ",
            holding!(),
            " GROUP BY l.store_id, l.pool_id) h ON h.store_id = s.store_id AND h.pool_id = s.pool_id \
             WHERE s.reserved <> COALESCE(h.held, 0) ORDER BY 1 LIMIT $1"
        ),
    },
    Proof {
        rule: "an order's lines are there and add up to its goods",
        sql: "SELECT o.code AS subject, o.goods AS expected, COALESCE(l.gross, -1) AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(gross) AS BIGINT) AS gross FROM order_line \
              GROUP BY store_id, order_id) l ON l.store_id = o.store_id AND l.order_id = o.id \
              WHERE o.goods <> COALESCE(l.gross, -1) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "an order's total is goods − discount + delivery fee",
        sql: "SELECT code AS subject, goods - discount + delivery_fee AS expected, total AS found FROM orders \
              WHERE total <> goods - discount + delivery_fee OR total < 0 ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a line's total is gross − discount, and neither is negative",
        sql: "SELECT order_id || '#' || line_no AS subject, gross - discount AS expected, total AS found \
              FROM order_line WHERE total <> gross - discount OR total < 0 OR discount < 0 ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a line's shares add up to its discount",
        sql: "SELECT l.order_id || '#' || l.line_no AS subject, l.discount AS expected, COALESCE(s.amount, 0) AS found \
              FROM order_line l LEFT JOIN (SELECT store_id, order_id, line_no, CAST(SUM(amount) AS BIGINT) AS amount \
              FROM line_share GROUP BY store_id, order_id, line_no) s \
              ON s.store_id = l.store_id AND s.order_id = l.order_id AND s.line_no = l.line_no \
              WHERE l.discount <> COALESCE(s.amount, 0) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "the lines' discounts add up to the order's",
        sql: "SELECT o.code AS subject, o.discount AS expected, CAST(SUM(l.discount) AS BIGINT) AS found FROM orders o \
              JOIN order_line l ON l.store_id = o.store_id AND l.order_id = o.id \
              GROUP BY o.store_id, o.id, o.code, o.discount HAVING SUM(l.discount) <> o.discount ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "no line sends back more than it cost, nor is shorter than it is long",
        sql: "SELECT order_id || '#' || line_no AS subject, total AS expected, refunded AS found FROM order_line \
              WHERE refunded > total OR refunded < 0 OR short_qty > qty OR short_qty < 0 ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "what an order received is the sum of its confirmed payments",
        sql: "SELECT o.code AS subject, COALESCE(p.amount, 0) AS expected, o.paid AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(amount) AS BIGINT) AS amount FROM payment \
              WHERE state = 'paid' GROUP BY store_id, order_id) p ON p.store_id = o.store_id AND p.order_id = o.id \
              WHERE o.paid <> COALESCE(p.amount, 0) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "what an order sent back is the sum of its refunds, and never more than it received",
        sql: "SELECT o.code AS subject, COALESCE(r.amount, 0) AS expected, o.refunded AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refund \
              GROUP BY store_id, order_id) r ON r.store_id = o.store_id AND r.order_id = o.id \
              WHERE o.refunded <> COALESCE(r.amount, 0) OR o.refunded > o.paid ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a paid order received exactly what it cost, beside what went back",
        sql: "SELECT code AS subject, total AS expected, paid AS found FROM orders \
              WHERE state IN ('paid', 'accepted', 'picking', 'picked', 'delivering', 'ready_for_pickup', 'completed') \
              AND paid < total ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a called-off order has sent everything back",
        sql: "SELECT code AS subject, paid AS expected, refunded AS found FROM orders \
              WHERE state IN ('cancelled', 'expired', 'refunded') AND paid <> refunded ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a slot's places are what its orders take",
        sql: "SELECT s.store_id || '/' || s.id AS subject, COALESCE(o.taking, 0) AS expected, s.taken AS found \
              FROM slot s LEFT JOIN (SELECT store_id, slot_id, \
              CAST(SUM(CASE WHEN state IN ('cancelled', 'expired', 'refunded') THEN 0 ELSE 1 END) AS BIGINT) AS taking, \
              CAST(SUM(CASE WHEN state = 'refunded' THEN 1 ELSE 0 END) AS BIGINT) AS refunded \
              FROM orders GROUP BY store_id, slot_id) o ON o.store_id = s.store_id AND o.slot_id = s.id \
              WHERE s.taken < COALESCE(o.taking, 0) OR s.taken > COALESCE(o.taking + o.refunded, 0) \
              ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "an offer's uses and cost are those of the orders that hold it, within its limits",
        sql: "SELECT f.code AS subject, COALESCE(u.uses, 0) AS expected, f.used AS found FROM offer f \
              LEFT JOIN (SELECT offer_id, CAST(SUM(uses) AS BIGINT) AS uses, CAST(SUM(amount) AS BIGINT) AS amount \
              FROM offer_use WHERE state <> 'released' GROUP BY offer_id) u ON u.offer_id = f.id \
              WHERE f.used <> COALESCE(u.uses, 0) OR f.spent <> COALESCE(u.amount, 0) OR f.used > f.total \
              ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "a coupon is held or used by an order that is not called off",
        sql: "SELECT c.id AS subject, 0 AS expected, 1 AS found FROM coupon c \
              LEFT JOIN orders o ON o.member_id = c.member_id AND o.id = c.order_id \
              WHERE c.state IN ('held', 'used') AND (o.id IS NULL OR o.state IN ('cancelled', 'expired')) \
              ORDER BY 1 LIMIT $1",
    },
];
