//! Sorting of few things. The standard sort is made for many: in the browser it
//! weighs some kilobytes for each type that is sorted, and a basket has few of each.

use std::cmp::Ordering;

/// Sorts in place, equal ones keep their order. For up to some hundred items:
/// the time grows with their square, unless they are almost in order.
pub(crate) fn sort_by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && order(&items[at - 1], &items[at]) == Ordering::Greater {
            items.swap(at - 1, at);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sort_by;

    #[test]
    fn equal_ones_keep_their_order() {
        let mut items = [(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd'), (0, 'e')];
        let mut expected = items;
        sort_by(&mut items, |a, b| a.0.cmp(&b.0));
        expected.sort_by_key(|item| item.0);
        assert_eq!(items, expected);
        sort_by(&mut [] as &mut [u8], Ord::cmp);
    }
}
