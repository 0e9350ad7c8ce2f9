//! Places for entities: pushed apart, pulled together by their edges.

use super::Graph;

const STEPS: usize = 300;

/// Fruchterman and Reingold, from a spiral, so that equal graphs give equal pictures. Places are in 0..=1, both ways.
/// Complexity: entities squared, times the steps; the caller keeps entities to a few hundred.
pub(super) fn places(graph: &Graph, aspect: f64) -> Vec<(f64, f64)> {
    let amount = graph.entities.len();
    let ideal = (aspect / amount as f64).sqrt() * 0.9;
    // The golden angle: no two begin at one place or in one line.
    let mut places: Vec<(f64, f64)> = (0..amount)
        .map(|index| {
            let (angle, distance) = (index as f64 * 2.399_963, (index as f64 / amount as f64).sqrt() * 0.5);
            (aspect * (0.5 + distance * angle.cos()), 0.5 + distance * angle.sin())
        })
        .collect();
    for step in 0..STEPS {
        let mut moves = vec![(0.0, 0.0); amount];
        for a in 0..amount {
            for b in a + 1..amount {
                let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
                let square = (dx * dx + dy * dy).max(1e-6);
                let push = ideal * ideal / square;
                moves[a] = (moves[a].0 + dx * push, moves[a].1 + dy * push);
                moves[b] = (moves[b].0 - dx * push, moves[b].1 - dy * push);
            }
        }
        for edge in graph.edges.iter().filter(|edge| edge.from != edge.to) {
            let (a, b) = (edge.from, edge.to);
            let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
            let pull = (dx * dx + dy * dy).sqrt() / ideal * 0.6;
            moves[a] = (moves[a].0 - dx * pull, moves[a].1 - dy * pull);
            moves[b] = (moves[b].0 + dx * pull, moves[b].1 + dy * pull);
        }
        let heat = 0.12 * (1.0 - step as f64 / STEPS as f64);
        for (place, (x, y)) in places.iter_mut().zip(&moves) {
            // A little gravity keeps parts without an edge between them on one page.
            let (x, y) = (x + (aspect / 2.0 - place.0) * 0.15, y + (0.5 - place.1) * 0.15);
            let length = (x * x + y * y).sqrt().max(1e-9);
            let far = length.min(heat) / length;
            *place = (place.0 + x * far, place.1 + y * far);
        }
    }
    stretched(places)
}

/// To all four sides.
fn stretched(mut places: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    for axis in 0..2 {
        let of = |place: &(f64, f64)| if axis == 0 { place.0 } else { place.1 };
        let (low, high) = places
            .iter()
            .map(of)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        for place in &mut places {
            let share = if high - low > 1e-9 { (of(place) - low) / (high - low) } else { 0.5 };
            if axis == 0 { place.0 = share } else { place.1 = share }
        }
    }
    places
}
