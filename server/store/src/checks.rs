//! Proofs of the books. Each is a query that finds what should not be there:
//! a level that is not the sum of its movements, shares that do not add up to
//! the discount, a refund beyond what was paid. In a sound shop all are empty.

use crate::{Conn, Result};

/// Findings of one proof that are read at most; one is a defect already.
pub const MOST: i64 = 100;

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, crate::record::Record)]
pub struct Odd {
    /// What it concerns: store and pool, order, payment, slot, offer, coupon.
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

/// Pools of which a column of the level is not the sum of what `due` selects. A pool
/// without a row in `stock` has a level of 0, and what is due of it is seen as well.
macro_rules! sum_is_level {
    ($column:literal, $($due:expr),+) => {
        concat!(
            "SELECT store_id || '/' || pool_id AS subject, CAST(SUM(due) AS BIGINT) AS expected, \
             CAST(SUM(kept) AS BIGINT) AS found FROM (",
            $($due,)+
            " UNION ALL SELECT store_id, pool_id, 0, ",
            $column,
            " FROM stock) b GROUP BY store_id, pool_id HAVING SUM(due) <> SUM(kept) ORDER BY 1 LIMIT $1"
        )
    };
}

/// Every proof there is. Orders are walked in the order of their key: by their codes,
/// each would be looked up for itself.
pub const PROOFS: &[Proof] = &[
    Proof {
        rule: "what is on hand is the sum of its movements",
        sql: sum_is_level!(
            "on_hand",
            "SELECT store_id, pool_id, SUM(on_hand_delta) AS due, 0 AS kept FROM movement GROUP BY store_id, pool_id"
        ),
    },
    Proof {
        rule: "what is reserved is the sum of its movements",
        sql: sum_is_level!(
            "reserved",
            "SELECT store_id, pool_id, SUM(reserved_delta) AS due, 0 AS kept FROM movement GROUP BY store_id, pool_id"
        ),
    },
    Proof {
        rule: "what is reserved is what orders hold",
        sql: sum_is_level!(
            "reserved",
            "SELECT o.store_id, l.pool_id, SUM((l.qty - l.short_qty) * l.pack_size) AS due, 0 AS kept FROM orders o \
             CROSS JOIN order_line l WHERE l.store_id = o.store_id AND l.order_id = o.id AND o.state IN ",
            holding!(),
            " GROUP BY o.store_id, l.pool_id"
        ),
    },
    Proof {
        rule: "an order's lines are there and add up to its goods",
        sql: "SELECT o.code AS subject, o.goods AS expected, COALESCE(l.gross, -1) AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(gross) AS BIGINT) AS gross FROM order_line \
              GROUP BY store_id, order_id) l ON l.store_id = o.store_id AND l.order_id = o.id \
              WHERE o.goods <> COALESCE(l.gross, -1) ORDER BY o.store_id, o.id LIMIT $1",
    },
    Proof {
        rule: "an order's total is goods − discount + delivery fee",
        sql: "SELECT code AS subject, goods - discount + delivery_fee AS expected, total AS found FROM orders \
              WHERE total <> goods - discount + delivery_fee OR total < 0 ORDER BY store_id, id LIMIT $1",
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
              GROUP BY o.store_id, o.id HAVING SUM(l.discount) <> o.discount ORDER BY o.store_id, o.id LIMIT $1",
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
              WHERE o.paid <> COALESCE(p.amount, 0) ORDER BY o.store_id, o.id LIMIT $1",
    },
    Proof {
        rule: "what an order sent back is the sum of its refunds, and never more than it received",
        sql: "SELECT o.code AS subject, COALESCE(r.amount, 0) AS expected, o.refunded AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refund \
              GROUP BY store_id, order_id) r ON r.store_id = o.store_id AND r.order_id = o.id \
              WHERE o.refunded <> COALESCE(r.amount, 0) OR o.refunded > o.paid ORDER BY o.store_id, o.id LIMIT $1",
    },
    Proof {
        rule: "what went back of an order's lines and delivery fee is the sum of the refunds for them",
        sql: "SELECT COALESCE(o.code, b.order_id) AS subject, b.due AS expected, b.back AS found FROM \
              (SELECT store_id, order_id, CAST(SUM(due) AS BIGINT) AS due, CAST(SUM(back) AS BIGINT) AS back FROM \
              (SELECT store_id, order_id, amount - delivery AS due, 0 AS back FROM refund \
              WHERE reason IN ('shortage', 'cancelled') \
              UNION ALL SELECT store_id, order_id, 0, refunded FROM order_line WHERE refunded <> 0) a \
              GROUP BY store_id, order_id) b LEFT JOIN orders o ON o.store_id = b.store_id AND o.id = b.order_id \
              WHERE b.due <> b.back ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "no payment sends back more than it brought",
        sql: "SELECT r.order_id || '/' || r.payment_id AS subject, COALESCE(p.amount, 0) AS expected, \
              r.amount AS found FROM (SELECT store_id, order_id, payment_id, CAST(SUM(amount) AS BIGINT) AS amount \
              FROM refund GROUP BY store_id, order_id, payment_id) r \
              LEFT JOIN payment p ON p.store_id = r.store_id AND p.order_id = r.order_id AND p.id = r.payment_id \
              AND p.state = 'paid' WHERE r.amount > COALESCE(p.amount, 0) ORDER BY 1 LIMIT $1",
    },
    // The sums above count what hangs as on its way, since it is tried on.
    Proof {
        rule: "no refund hangs: what is owed is on its way or back",
        sql: "SELECT COALESCE(o.code, r.order_id) AS subject, CAST(0 AS BIGINT) AS expected, r.amount AS found FROM \
              (SELECT store_id, order_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refund \
              WHERE state NOT IN ('requested', 'done') GROUP BY store_id, order_id) r \
              LEFT JOIN orders o ON o.store_id = r.store_id AND o.id = r.order_id ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "an order that waits for its payment has received nothing",
        sql: "SELECT code AS subject, CAST(0 AS BIGINT) AS expected, paid AS found FROM orders \
              WHERE state = 'pending_payment' AND paid <> 0 ORDER BY store_id, id LIMIT $1",
    },
    Proof {
        rule: "an order that waits for its payment has a hold that runs out",
        sql: "SELECT code AS subject, CAST(1 AS BIGINT) AS expected, CAST(0 AS BIGINT) AS found FROM orders \
              WHERE state = 'pending_payment' AND hold_until IS NULL ORDER BY store_id, id LIMIT $1",
    },
    // Money that came late or twice was never the order's, and goes back whole.
    Proof {
        rule: "a paid order received exactly what it cost, beside what came late or twice and went back",
        sql: "SELECT o.code AS subject, o.total AS expected, o.paid - COALESCE(r.amount, 0) AS found FROM orders o \
              LEFT JOIN (SELECT store_id, order_id, CAST(SUM(amount) AS BIGINT) AS amount FROM refund \
              WHERE reason IN ('late_payment', 'double_payment') GROUP BY store_id, order_id) r \
              ON r.store_id = o.store_id AND r.order_id = o.id WHERE o.state IN \
              ('paid', 'accepted', 'picking', 'picked', 'delivering', 'ready_for_pickup', 'completed') \
              AND o.paid - COALESCE(r.amount, 0) <> o.total ORDER BY o.store_id, o.id LIMIT $1",
    },
    Proof {
        rule: "a called-off order has sent everything back",
        sql: "SELECT code AS subject, paid AS expected, refunded AS found FROM orders \
              WHERE state IN ('cancelled', 'expired', 'refunded') AND paid <> refunded ORDER BY store_id, id LIMIT $1",
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
    // Not that these are within its limits: those may be lowered below what is used already.
    Proof {
        rule: "an offer's uses and cost are those of the places that orders take",
        sql: "SELECT f.code AS subject, COALESCE(u.uses, 0) AS expected, f.used AS found FROM offer f \
              LEFT JOIN (SELECT offer_id, CAST(SUM(uses) AS BIGINT) AS uses, CAST(SUM(amount) AS BIGINT) AS amount \
              FROM offer_use WHERE state <> 'released' GROUP BY offer_id) u ON u.offer_id = f.id \
              WHERE f.used <> COALESCE(u.uses, 0) OR f.spent <> COALESCE(u.amount, 0) ORDER BY 1 LIMIT $1",
    },
    // A refunded order has given them back if nothing was found, and not if it came back from the door.
    Proof {
        rule: "an order takes its places of offers until it is called off",
        sql: "SELECT COALESCE(o.code, u.order_id) || '/' || u.offer_id AS subject, \
              CASE WHEN o.id IS NULL OR o.state IN ('cancelled', 'expired') THEN 0 ELSE u.uses END AS expected, \
              CASE WHEN u.state = 'released' THEN 0 ELSE u.uses END AS found FROM offer_use u \
              LEFT JOIN orders o ON o.member_id = u.member_id AND o.id = u.order_id \
              WHERE (u.state <> 'released' AND (o.id IS NULL OR o.state IN ('cancelled', 'expired'))) \
              OR (u.state = 'released' AND o.state NOT IN ('cancelled', 'expired', 'refunded')) ORDER BY 1 LIMIT $1",
    },
    Proof {
        rule: "an order that is not called off has its coupon",
        sql: "SELECT o.code AS subject, CAST(1 AS BIGINT) AS expected, CAST(0 AS BIGINT) AS found FROM orders o \
              LEFT JOIN coupon c ON c.member_id = o.member_id AND c.id = o.coupon_id AND c.order_id = o.id \
              AND c.state IN ('held', 'used') WHERE o.coupon_id IS NOT NULL AND c.id IS NULL \
              AND o.state NOT IN ('cancelled', 'expired', 'refunded') ORDER BY o.store_id, o.id LIMIT $1",
    },
    Proof {
        rule: "a coupon is held or used by an order that is not called off",
        sql: "SELECT c.id AS subject, CAST(0 AS BIGINT) AS expected, CAST(1 AS BIGINT) AS found FROM coupon c \
              LEFT JOIN orders o ON o.member_id = c.member_id AND o.id = c.order_id \
              WHERE c.state IN ('held', 'used') AND (o.id IS NULL OR o.state IN ('cancelled', 'expired')) \
              ORDER BY 1 LIMIT $1",
    },
];
