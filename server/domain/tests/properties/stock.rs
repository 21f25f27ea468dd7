//! Stock: the level is the sum of its movements, what is promised is there, and
//! messages from the tills may come late, twice and in any order.

use crate::config;
use domain::availability::{Level, State, Thresholds, sellable_base, sellable_packs, state};
use domain::stock::{Delta, Kind, can_reserve, delta, flow, short_pick, state_level, sum};
use domain::{Base, Millis, Packs};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

/// A message from the tills: a statement, or goods that came or went.
#[derive(Clone, Copy, Debug)]
struct Message {
    kind: Kind,
    units: i64,
    at: i64,
}

fn message(times: std::ops::Range<i64>) -> impl Strategy<Value = Message> {
    let kind = prop::sample::select(&[Kind::Snapshot, Kind::Count, Kind::TillSale, Kind::TillSale, Kind::Receipt][..]);
    (kind, 0..30_i64, times).prop_map(|(kind, units, at)| Message { kind, units, at })
}

/// A level with its ledger, as the store keeps it.
#[derive(Clone, Debug, Default)]
struct Book {
    level: Level,
    stated_at: Option<Millis>,
    rows: Vec<(Kind, Millis, Delta)>,
}

impl Book {
    fn add(&mut self, kind: Kind, at: Millis, delta: Delta) {
        self.level.on_hand += delta.on_hand;
        self.level.reserved += delta.reserved;
        self.rows.push((kind, at, delta));
    }

    fn receive(&mut self, message: Message) {
        let (at, units) = (Millis(message.at), Base(message.units));
        if message.kind.is_statement() {
            let since = self.rows.iter().filter(|(_, when, _)| *when > at);
            let moved: Base = since.map(|(.., delta)| delta.on_hand).sum();
            let stated = state_level(self.level.on_hand, self.stated_at, units, at, moved);
            self.stated_at = Some(stated.as_of);
            self.add(message.kind, at, stated.delta);
        } else {
            let delta = flow(message.kind, units, at, self.stated_at);
            self.add(message.kind, at, delta);
        }
    }
}

/// What really happened, in the order of arrival.
#[derive(Clone, Debug, Default)]
struct Truth {
    now: i64,
    messages: Vec<Message>,
    /// Units that pickers took, or did not find though the book had them, with the time.
    picks: Vec<(i64, i64)>,
    held: i64,
}

impl Truth {
    /// The newest statement plus what moved after it.
    fn on_hand(&self) -> i64 {
        let newest = self.messages.iter().filter(|m| m.kind.is_statement()).max_by_key(|m| m.at);
        let (mut units, since) = newest.map_or((0, i64::MIN), |m| (m.units, m.at));
        for m in self.messages.iter().filter(|m| m.at > since) {
            match m.kind {
                Kind::TillSale => units -= m.units,
                Kind::Receipt => units += m.units,
                _ => {}
            }
        }
        units - self.picks.iter().filter(|(at, _)| *at > since).map(|(_, n)| n).sum::<i64>()
    }

    /// Held units leave the hold, and the book as far as they are not `gone` from it.
    fn pick(&mut self, n: i64, gone: i64) {
        self.held -= n;
        self.picks.push((self.now, n - gone.min(n)));
    }
}

#[derive(Clone, Debug)]
enum Act {
    Receive(Message),
    Reserve(i64),
    Release(i64),
    Pick(i64),
    ShortPick(i64),
}

const SAFETY: Base = Base(2);

/// As much of `wanted` as can be reserved: what the conditional update lets pass.
fn granted(on_hand: i64, held: i64, wanted: i64) -> i64 {
    if wanted <= on_hand - held - SAFETY.0 { wanted } else { 0 }
}

struct Store;

impl ReferenceStateMachine for Store {
    type State = Truth;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<Truth> {
        Just(Truth::default()).boxed()
    }

    fn transitions(truth: &Truth) -> BoxedStrategy<Act> {
        let units = || 1..12_i64;
        Union::new_weighted(vec![
            (4, message(0..truth.now + 2).prop_map(Act::Receive).boxed()),
            (3, units().prop_map(Act::Reserve).boxed()),
            (1, units().prop_map(Act::Release).boxed()),
            (1, units().prop_map(Act::Pick).boxed()),
            (1, units().prop_map(Act::ShortPick).boxed()),
        ])
        .boxed()
    }

    fn apply(mut truth: Truth, act: &Act) -> Truth {
        truth.now += 2;
        match *act {
            Act::Receive(message) => truth.messages.push(message),
            Act::Reserve(n) => truth.held += granted(truth.on_hand(), truth.held, n),
            Act::Release(n) => truth.held -= n.min(truth.held),
            Act::Pick(n) => truth.pick(n.min(truth.held), 0),
            Act::ShortPick(n) => {
                // What is held and not on hand was taken off before: by the tills, or by a count.
                let gone = (truth.held - truth.on_hand()).max(0);
                truth.pick(n.min(truth.held), gone);
            }
        }
        truth
    }
}

impl StateMachineTest for Store {
    type SystemUnderTest = Book;
    type Reference = Self;

    fn init_test(_: &Truth) -> Book {
        let level = Level { safety: SAFETY, ..Level::default() };
        Book { level, ..Book::default() }
    }

    fn apply(mut book: Book, truth: &Truth, act: Act) -> Book {
        let now = Millis(truth.now);
        let reserved = book.level.reserved.0;
        let mut book_held = |kind, n: i64| book.add(kind, now, delta(kind, Base(n)));
        match act {
            Act::Receive(message) => book.receive(message),
            Act::Release(n) => book_held(Kind::Release, n.min(reserved)),
            Act::Pick(n) => book_held(Kind::Pick, n.min(reserved)),
            Act::ShortPick(n) => {
                let taken = short_pick(&book.level, Base(n.min(reserved)));
                book.add(Kind::ShortPick, now, taken);
            }
            Act::Reserve(n) => {
                if can_reserve(&book.level, Base(n), now) {
                    book.add(Kind::Reservation, now, delta(Kind::Reservation, Base(n)));
                    let level = book.level;
                    assert!(level.reserved + level.safety <= level.on_hand, "oversold: {level:?}");
                }
            }
        }
        book
    }

    fn check_invariants(book: &Book, truth: &Truth) {
        let level = book.level;
        let booked = sum(book.rows.iter().map(|row| row.2));
        assert_eq!((booked.on_hand, booked.reserved), (level.on_hand, level.reserved), "the level is its movements");
        assert_eq!(level.on_hand.0, truth.on_hand(), "newest statement plus what moved later");
        assert_eq!(level.reserved.0, truth.held, "what orders hold");
        let sellable = sellable_base(&level, Millis(truth.now));
        assert!(sellable.0 >= 0 && (sellable.0 == 0 || sellable + level.reserved + SAFETY <= level.on_hand));
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn the_book_follows_what_happened(sequential 1..40 => Store);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn messages_may_arrive_in_any_order(
        (sent, arrived) in prop::collection::vec(message(0..1_000), 0..20)
            .prop_map(|mut all| {
                // One message a millisecond: two statements of one time would be a correction.
                all.sort_by_key(|m| m.at);
                all.dedup_by_key(|m| m.at);
                all
            })
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        let receive = |messages: &[Message]| {
            let mut book = Book::default();
            for &message in messages {
                book.receive(message);
            }
            book.level.on_hand
        };
        prop_assert_eq!(receive(&sent), receive(&arrived));
    }

    #[test]
    fn a_pool_is_never_promised_twice(
        on_hand in -20..500_i64, reserved in 0..100_i64, safety in 0..20_i64,
        packs in prop::collection::vec((1..25_i64, 0..10_i64), 1..5),
    ) {
        // A case and its bottles: SKUs of several pack sizes over one pool.
        let now = Millis(0);
        let mut level = Level { on_hand: Base(on_hand), reserved: Base(reserved), safety: Base(safety), ..Level::default() };
        for (pack_size, wanted) in packs {
            let sellable = sellable_packs(&level, Base(pack_size), now);
            let pool = (on_hand - level.reserved.0).max(0);
            prop_assert!(sellable.0 >= 0 && sellable.base(Base(pack_size)).0 <= pool, "more than the pool holds");
            let take = Packs(wanted).min(sellable).base(Base(pack_size));
            prop_assert!(can_reserve(&level, take, now));
            prop_assert!(!can_reserve(&level, sellable_base(&level, now) + Base(1), now));
            level.reserved += take;
        }
        prop_assert!(level.reserved.0 == reserved || level.reserved.0 + safety <= on_hand);
    }

    #[test]
    fn a_short_pick_leaves_no_debt(
        on_hand in -20..60_i64, reserved in 0..40_i64, safety in 0..20_i64, first in 0..40_i64, second in 0..40_i64,
    ) {
        let now = Millis(0);
        let held = Level { on_hand: Base(on_hand), reserved: Base(reserved), ..Level::default() };
        let before = Level { safety: Base(safety), ..held };
        let after = |level: &Level, n: i64| {
            let taken = short_pick(level, Base(n));
            Level { on_hand: level.on_hand + taken.on_hand, reserved: level.reserved + taken.reserved, ..*level }
        };
        let first = first.min(reserved);
        let second = second.min(reserved - first);
        let level = after(&before, first);
        prop_assert_eq!(level.reserved.0, reserved - first);
        prop_assert!((on_hand - first..=on_hand).contains(&level.on_hand.0));
        // The book falls to what is still held, and no further.
        prop_assert!(level.on_hand >= before.on_hand.min(level.reserved));
        prop_assert!(reserved > on_hand || level.on_hand.0 == on_hand - first, "the book had all of them");
        prop_assert_eq!(sellable_base(&level, now), sellable_base(&before, now), "nothing new is promised");
        prop_assert_eq!(after(&level, second), after(&before, first + second), "at once, or one after another");
    }

    #[test]
    fn the_state_tells_what_the_number_is(
        on_hand in -5..60_i64, reserved in 0..20_i64, pack in 1..7_i64, dms in 0..90_000_i64, age in 0..20_000_000_i64,
    ) {
        let level = Level { on_hand: Base(on_hand), reserved: Base(reserved), ..Level::default() };
        let now = Millis(age);
        let packs = sellable_packs(&level, Base(pack), now);
        let thresholds = Thresholds::default();
        match state(&level, Base(pack), dms, now, &thresholds) {
            State::SoldOut => prop_assert_eq!(packs, Packs(0)),
            State::Low(n) => prop_assert!(n == packs && (1..=thresholds.low_packs).contains(&n.0)),
            State::InStock => prop_assert!(packs.0 > thresholds.low_packs),
            State::Risky => prop_assert!(packs.0 > 0 && (dms > 0 || age > thresholds.stale_ms)),
        }
    }
}
