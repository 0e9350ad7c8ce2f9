//! Drawing without replacement from a huge range, in memory that grows only with the draws.

use std::collections::HashMap;

use rand::Rng;

/// The numbers `0..size` as a deck of cards: each comes once, then the deck is empty. That is what keeps every loop
/// over it finite, unlike drawing at random and rejecting what was seen before.
///
/// A Fisher-Yates shuffle that stores only the cards it has moved.
pub(crate) struct Deck {
    left: u64,
    moved: HashMap<u64, u64>,
}

impl Deck {
    pub(crate) fn new(size: u64) -> Deck {
        Deck { left: size, moved: HashMap::new() }
    }

    pub(crate) fn draw(&mut self, random: &mut impl Rng) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        let place = random.random_range(0..self.left);
        self.left -= 1;
        let last = self.moved.remove(&self.left).unwrap_or(self.left);
        if place == self.left {
            return Some(last);
        }
        Some(self.moved.insert(place, last).unwrap_or(place))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn every_card_comes_once() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut deck = Deck::new(1_000);
        let mut cards: Vec<u64> = std::iter::from_fn(|| deck.draw(&mut random)).collect();
        assert_ne!(cards[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        cards.sort_unstable();
        assert!(cards.into_iter().eq(0..1_000));
    }

    #[test]
    fn all_orders_of_three_cards_are_about_equally_likely() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut orders: HashMap<Vec<u64>, usize> = HashMap::new();
        for _ in 0..6_000 {
            let mut deck = Deck::new(3);
            let order = std::iter::from_fn(|| deck.draw(&mut random)).collect();
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|times| (850..1_150).contains(times)), "{orders:?}");
    }
}
