//! A million points on seven hundred pixels: what is drawn covers exactly what all points would cover.

use super::model::Point;

/// A run of points, without a gap, in pixels.
pub(super) type Run = Vec<(f64, f64)>;

/// The runs of a line. Where several points share a column of pixels, the first, lowest, highest and last of them are
/// kept: the line then goes through the same pixels.
///
/// `columns` is how many columns of pixels there are; points must be in order of x.
pub(super) fn runs(points: &[Point], columns: f64, pixel: impl Fn(&Point) -> (f64, f64)) -> Vec<Run> {
    let thin_out = points.len() as f64 > 2.0 * columns;
    let mut runs: Vec<Run> = Vec::new();
    let mut run = Run::new();
    let mut bucket = Bucket::default();
    // With many points, a gap within one column of pixels cannot be seen.
    let mut gap_after: Option<f64> = None;
    for point in points {
        let (x, y) = pixel(point);
        if point.y.is_nan() {
            gap_after = gap_after.or(bucket.last().or(run.last().copied()).map(|(x, _)| x));
            if !thin_out {
                runs.extend(take(&mut run));
            }
            continue;
        }
        if !thin_out {
            run.push((x, y));
            continue;
        }
        if bucket.column != Some(x.floor() as i64) {
            bucket.pour(&mut run);
            bucket.column = Some(x.floor() as i64);
        }
        if gap_after.take().is_some_and(|before| x - before > 1.5) {
            bucket.pour(&mut run);
            runs.extend(take(&mut run));
        }
        bucket.add((x, y));
    }
    bucket.pour(&mut run);
    runs.extend(take(&mut run));
    runs
}

fn take(run: &mut Run) -> Option<Run> {
    (!run.is_empty()).then(|| std::mem::take(run))
}

/// The points of one column of pixels.
#[derive(Default)]
struct Bucket {
    column: Option<i64>,
    points: Option<[(usize, (f64, f64)); 4]>,
    seen: usize,
}

impl Bucket {
    fn add(&mut self, point: (f64, f64)) {
        let at = (self.seen, point);
        self.seen += 1;
        match &mut self.points {
            None => self.points = Some([at; 4]),
            Some([_, low, high, last]) => {
                if point.1 < low.1.1 {
                    *low = at;
                }
                if point.1 > high.1.1 {
                    *high = at;
                }
                *last = at;
            }
        }
    }

    fn last(&self) -> Option<(f64, f64)> {
        self.points.map(|[.., last]| last.1)
    }

    fn pour(&mut self, run: &mut Run) {
        if let Some(mut points) = self.points.take() {
            points.sort_by_key(|(order, _)| *order);
            let mut before = None;
            for (order, point) in points {
                if before != Some(order) {
                    run.push(point);
                }
                before = Some(order);
            }
        }
        self.seen = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(ys: impl IntoIterator<Item = f64>) -> Vec<Point> {
        ys.into_iter().enumerate().map(|(x, y)| Point { x: x as f64, y, is_anomaly: false }).collect()
    }

    #[test]
    fn few_points_stay_as_they_are_and_gaps_split_the_line() {
        let found = runs(&points([1.0, 2.0, f64::NAN, 4.0]), 100.0, |point| (point.x, point.y));
        assert_eq!(found, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 4.0)]]);
    }

    #[test]
    fn spikes_survive() {
        let mut ys = vec![0.0; 100_000];
        ys[33_333] = 9.0;
        ys[77_777] = -9.0;
        let found = runs(&points(ys), 500.0, |point| (point.x / 200.0, point.y));
        assert_eq!(found.len(), 1);
        assert!(found[0].len() <= 2_000, "{}", found[0].len());
        let (low, high) = found[0].iter().fold((0.0_f64, 0.0_f64), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
        assert_eq!((low, high), (-9.0, 9.0));
        assert!(found[0].is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn wide_gaps_survive_too() {
        let ys = (0..10_000).map(|i| if (4_000..6_000).contains(&i) { f64::NAN } else { 1.0 });
        assert_eq!(runs(&points(ys), 100.0, |point| (point.x / 100.0, point.y)).len(), 2);
        let every_other = (0..10_000).map(|i| if i % 2 == 0 { f64::NAN } else { 1.0 });
        assert_eq!(runs(&points(every_other), 100.0, |point| (point.x / 100.0, point.y)).len(), 1);
    }
}
