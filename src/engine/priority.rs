//! Whose files go first: `watch.priority`, strictly. What is on its way goes on.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use crate::job::WatchName;

/// The priority of each watch; 0 where there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Priorities(Arc<HashMap<WatchName, i64>>);

impl Priorities {
    pub fn new(watches: impl IntoIterator<Item = (WatchName, i64)>) -> Self {
        Self(Arc::new(watches.into_iter().collect()))
    }

    pub fn of(&self, watch: &WatchName) -> i64 {
        self.0.get(watch).copied().unwrap_or(0)
    }
}

/// Those of a higher priority first, and those of the same in the order in which they came.
#[derive(Debug)]
pub(super) struct Ranked<T>(
    /// None is empty.
    BTreeMap<Reverse<i64>, VecDeque<T>>,
);

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Ranked<T> {
    /// Adds one behind those of its priority.
    pub fn push(&mut self, priority: i64, item: T) {
        self.0.entry(Reverse(priority)).or_default().push_back(item);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }

    /// How many have this priority or a higher one.
    pub fn len_from(&self, priority: i64) -> usize {
        let from = self.0.range(..=Reverse(priority));
        from.map(|(_, items)| items.len()).sum()
    }

    /// The highest priority of all.
    pub fn highest(&self) -> Option<i64> {
        self.0
            .first_key_value()
            .map(|(Reverse(highest), _)| *highest)
    }

    /// All of them with their priorities, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        let each = self.0.iter();
        each.flat_map(|(Reverse(priority), items)| items.iter().map(|item| (*priority, item)))
    }

    /// Takes the first one, if it `fits`; others are not asked.
    pub fn pop_front_if(&mut self, fits: impl FnOnce(&mut T) -> bool) -> Option<T> {
        let mut first = self.0.first_entry()?;
        let item = first.get_mut().pop_front_if(fits);
        if first.get().is_empty() {
            first.remove();
        }
        item
    }

    /// Takes so many of the first ones.
    pub fn take(&mut self, most: usize) -> Vec<T> {
        let next = || self.pop_front_if(|_| true);
        std::iter::from_fn(next).take(most).collect()
    }

    /// Takes those that are `wanted`, in order.
    pub fn extract(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for items in self.0.values_mut() {
            let (out, rest): (VecDeque<_>, _) =
                std::mem::take(items).into_iter().partition(&mut wanted);
            *items = rest;
            taken.extend(out);
        }
        self.0.retain(|_, items| !items.is_empty());
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_priority_comes_first_and_equals_in_their_order() {
        let mut ranked = Ranked::default();
        for (priority, item) in [(0, 'a'), (5, 'b'), (-1, 'c'), (5, 'd'), (0, 'e')] {
            ranked.push(priority, item);
        }
        assert_eq!(
            [6, 5, 0, -1].map(|from| ranked.len_from(from)),
            [0, 2, 4, 5]
        );
        assert_eq!(ranked.highest(), Some(5));
        let order: Vec<_> = ranked.iter().collect();
        assert_eq!(
            order,
            [(5, &'b'), (5, &'d'), (0, &'a'), (0, &'e'), (-1, &'c')]
        );
        assert_eq!(
            ranked.pop_front_if(|item| *item == 'd'),
            None,
            "not its turn"
        );
        assert_eq!(ranked.take(3), ['b', 'd', 'a']);
        assert_eq!(ranked.highest(), Some(0));
        ranked.push(0, 'f');
        assert_eq!(ranked.extract(|item| *item != 'f'), ['e', 'c']);
        assert_eq!((ranked.len(), ranked.take(9)), (1, vec!['f']));
        assert!(ranked.is_empty() && ranked.highest().is_none());
    }
}
