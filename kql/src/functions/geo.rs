//! Points on the globe: distances, circles, geohashes. The globe is the sphere that S2 uses.

use serde_json::{Value as Json, json};

use super::{Function, Kind, Returns, dynamic, function, rule};
use crate::{
    ast::KqlType,
    value::{Cell, Value},
};

const REAL: Returns = Returns::Is(KqlType::Real);
const BOOL: Returns = Returns::Is(KqlType::Bool);
const TEXT: Returns = Returns::Is(KqlType::String);
const DYNAMIC: Returns = Returns::Is(KqlType::Dynamic);
const FOUR: &[Kind] = &[Kind::Number, Kind::Number, Kind::Number, Kind::Number];

/// Mean radius in metres.
const EARTH: f64 = 6_371_010.0;

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["geo_distance_2points"], FOUR, 0, REAL, |_| {
        rule(|c| point(c, 0).zip(point(c, 2)).map(|(from, to)| from.angle_to(to) * EARTH).into())
    }),
    function(&["geo_azimuth"], FOUR, 0, REAL, |_| {
        rule(|c| point(c, 0).zip(point(c, 2)).and_then(|(from, to)| from.azimuth_to(to)).into())
    }),
    function(
        &["geo_angle"],
        &[Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number],
        0,
        REAL,
        |_| {
            rule(|c| {
                let (Some(first), Some(corner), Some(last)) = (point(c, 0), point(c, 2), point(c, 4)) else {
                    return Cell::Null;
                };
                let turns = corner.azimuth_to(first).zip(corner.azimuth_to(last));
                turns.map(|(from, to)| (to - from).rem_euclid(std::f64::consts::TAU)).into()
            })
        },
    ),
    function(&["geo_point_in_polygon"], &[Kind::Number, Kind::Number, Kind::Dynamic], 0, BOOL, |_| {
        rule(|c| match (point(c, 0), polygons(&dynamic::json(&c[2]))) {
            (Some(point), Some(polygons)) => polygons.iter().any(|rings| point.inside(rings)).into(),
            _ => Cell::Null,
        })
    }),
    function(
        &["geo_point_in_circle"],
        &[Kind::Number, Kind::Number, Kind::Number, Kind::Number, Kind::Number],
        0,
        BOOL,
        |_| {
            rule(|c| {
                let radius = c[4].real().filter(|radius| radius.is_finite() && *radius >= 0.0);
                let distance = point(c, 0).zip(point(c, 2)).map(|(from, to)| from.angle_to(to) * EARTH);
                distance.zip(radius).map(|(distance, radius)| distance <= radius).into()
            })
        },
    ),
    function(&["geo_line_length"], &[Kind::Dynamic], 0, REAL, |_| {
        rule(|c| {
            let lines = lines(&dynamic::json(&c[0]));
            lines.map(|lines| lines.iter().map(|line| length(line)).sum::<f64>() * EARTH).into()
        })
    }),
    function(&["geo_distance_point_to_line"], &[Kind::Number, Kind::Number, Kind::Dynamic], 0, REAL, |_| {
        rule(|c| {
            let (Some(point), Some(lines)) = (point(c, 0), lines(&dynamic::json(&c[2]))) else { return Cell::Null };
            let edges = lines.iter().flat_map(|line| line.windows(2));
            edges.map(|edge| point.angle_to_edge(edge[0], edge[1])).reduce(f64::min).map(|angle| angle * EARTH).into()
        })
    }),
    function(&["geo_point_to_geohash"], &[Kind::Number, Kind::Number, Kind::Integer], 1, TEXT, |_| rule(to_geohash)),
    function(&["geo_geohash_to_central_point"], &[Kind::Text], 0, DYNAMIC, |_| {
        rule(|c| match Cell4::of_geohash(c[0].text()) {
            Some(cell) => json!({"type": "Point", "coordinates": [
                (cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0
            ]})
            .into(),
            None => Cell::Null,
        })
    }),
    function(&["geo_geohash_to_polygon"], &[Kind::Text], 0, DYNAMIC, |_| {
        rule(|c| match Cell4::of_geohash(c[0].text()) {
            Some(Cell4 { west, south, east, north }) => json!({"type": "Polygon", "coordinates": [[
                [west, south], [east, south], [east, north], [west, north], [west, south]
            ]]})
            .into(),
            None => Cell::Null,
        })
    }),
    function(&["geo_geohash_neighbors"], &[Kind::Text], 0, DYNAMIC, |_| rule(|c| neighbours(c[0].text()))),
];

/// Longitude and latitude in radians.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    longitude: f64,
    latitude: f64,
}

impl Point {
    fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let sound = (-180.0..=180.0).contains(&longitude) && (-90.0..=90.0).contains(&latitude);
        sound.then(|| Self { longitude: longitude.to_radians(), latitude: latitude.to_radians() })
    }

    /// The angle between two points, seen from the centre.
    fn angle_to(self, other: Self) -> f64 {
        let (up, across) = ((other.latitude - self.latitude) / 2.0, (other.longitude - self.longitude) / 2.0);
        let share = up.sin().powi(2) + self.latitude.cos() * other.latitude.cos() * across.sin().powi(2);
        2.0 * share.sqrt().min(1.0).asin()
    }

    /// Direction from north, clockwise, 0 to 2π; none between a point and itself.
    fn azimuth_to(self, other: Self) -> Option<f64> {
        if self == other {
            return None;
        }
        let across = other.longitude - self.longitude;
        let east = across.sin() * other.latitude.cos();
        let north =
            self.latitude.cos() * other.latitude.sin() - self.latitude.sin() * other.latitude.cos() * across.cos();
        Some(east.atan2(north).rem_euclid(std::f64::consts::TAU))
    }

    fn vector(self) -> [f64; 3] {
        let flat = self.latitude.cos();
        [flat * self.longitude.cos(), flat * self.longitude.sin(), self.latitude.sin()]
    }

    /// The smallest angle to a point of the great-circle arc between two points.
    fn angle_to_edge(self, from: Self, to: Self) -> f64 {
        let (start, end, here) = (from.vector(), to.vector(), self.vector());
        let normal = cross(start, end);
        let size = dot(normal, normal).sqrt();
        let ends = self.angle_to(from).min(self.angle_to(to));
        if size < 1e-15 {
            return ends;
        }
        // The foot of the perpendicular lies on the arc if it is between both ends.
        let beside_start = dot(cross(normal, start), here) > 0.0;
        let beside_end = dot(cross(end, normal), here) > 0.0;
        if beside_start && beside_end { (dot(normal, here) / size).abs().min(1.0).asin() } else { ends }
    }
}

impl Point {
    /// Inside the outer ring and in none of the holes.
    fn inside(self, rings: &[Vec<Point>]) -> bool {
        let Some((outer, holes)) = rings.split_first() else { return false };
        self.surrounded_by(outer) && !holes.iter().any(|hole| self.surrounded_by(hole))
    }

    /// Walking once around the ring turns the view by a full circle exactly if one stands inside.
    fn surrounded_by(self, ring: &[Point]) -> bool {
        use std::f64::consts::{PI, TAU};
        let mut turned = 0.0;
        for edge in ring.windows(2) {
            match (self.azimuth_to(edge[0]), self.azimuth_to(edge[1])) {
                (Some(from), Some(to)) => turned += (to - from + PI).rem_euclid(TAU) - PI,
                // On a corner.
                _ => return true,
            }
        }
        turned.abs() > PI
    }
}

/// The rings of a GeoJSON Polygon or MultiPolygon: each polygon's outer ring, then its holes.
fn polygons(shape: &Json) -> Option<Vec<Vec<Vec<Point>>>> {
    let ring = |positions: &Json| -> Option<Vec<Point>> {
        let points = positions_of(positions)?;
        let mut corners: Vec<Point> = Vec::new();
        for point in &points {
            if !corners.contains(point) {
                corners.push(*point);
            }
        }
        // Three different corners, and the ring is closed.
        (corners.len() >= 3 && points.first() == points.last()).then_some(points)
    };
    let polygon = |rings: &Json| -> Option<Vec<Vec<Point>>> { rings.as_array()?.iter().map(ring).collect() };
    let coordinates = &shape["coordinates"];
    match shape["type"].as_str()? {
        "Polygon" => Some(vec![polygon(coordinates)?]),
        "MultiPolygon" => coordinates.as_array()?.iter().map(polygon).collect(),
        _ => None,
    }
}

fn positions_of(positions: &Json) -> Option<Vec<Point>> {
    let point = |position: &Json| Point::new(position.get(0)?.as_f64()?, position.get(1)?.as_f64()?);
    positions.as_array()?.iter().map(point).collect()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn point(c: &[Cell<'_>], at: usize) -> Option<Point> {
    Point::new(c[at].real()?, c[at + 1].real()?)
}

/// The lines of a GeoJSON LineString or MultiLineString.
fn lines(shape: &Json) -> Option<Vec<Vec<Point>>> {
    let coordinates = &shape["coordinates"];
    let line = |positions: &Json| positions_of(positions).filter(|points| points.len() >= 2);
    match shape["type"].as_str()? {
        "LineString" => Some(vec![line(coordinates)?]),
        "MultiLineString" => coordinates.as_array()?.iter().map(line).collect(),
        _ => None,
    }
}

fn length(line: &[Point]) -> f64 {
    line.windows(2).map(|edge| edge[0].angle_to(edge[1])).sum()
}

// ---- geohash ---------------------------------------------------------------------------------

const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const MAX_GEOHASH: i64 = 18;
const DEFAULT_GEOHASH: i64 = 5;

/// Steps east and north to the cells around one, in the order the real engine lists them.
const NEIGHBOURS: [(f64, f64); 8] =
    [(-1.0, 0.0), (-1.0, -1.0), (0.0, -1.0), (1.0, -1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 1.0)];

/// A rectangle in degrees.
#[derive(Debug, Clone, Copy)]
struct Cell4 {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Cell4 {
    const GLOBE: Self = Self { west: -180.0, south: -90.0, east: 180.0, north: 90.0 };

    /// Keeps the eastern or western, then the northern or southern half, by turns.
    fn halve(&mut self, vertical: bool, upper: bool) {
        let (low, high) = if vertical { (&mut self.south, &mut self.north) } else { (&mut self.west, &mut self.east) };
        let middle = (*low + *high) / 2.0;
        if upper { *low = middle } else { *high = middle }
    }

    fn of_geohash(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() as i64 > MAX_GEOHASH {
            return None;
        }
        let mut cell = Self::GLOBE;
        let mut vertical = false;
        for letter in text.bytes() {
            let value = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
            for bit in (0..5).rev() {
                cell.halve(vertical, value >> bit & 1 == 1);
                vertical = !vertical;
            }
        }
        Some(cell)
    }
}

fn geohash(longitude: f64, latitude: f64, length: usize) -> String {
    let mut cell = Cell4::GLOBE;
    let mut vertical = false;
    let mut out = String::new();
    for _ in 0..length {
        let mut value = 0;
        for _ in 0..5 {
            let (position, low, high) =
                if vertical { (latitude, cell.south, cell.north) } else { (longitude, cell.west, cell.east) };
            let upper = position >= (low + high) / 2.0;
            cell.halve(vertical, upper);
            value = value << 1 | usize::from(upper);
            vertical = !vertical;
        }
        out.push(char::from(LETTERS[value]));
    }
    out
}

fn to_geohash(c: &[Cell<'_>]) -> Value {
    let length = c.get(2).map_or(Some(DEFAULT_GEOHASH), Cell::long);
    let (Some(longitude), Some(latitude), Some(length)) = (c[0].real(), c[1].real(), length) else { return "".into() };
    if Point::new(longitude, latitude).is_none() || !(1..=MAX_GEOHASH).contains(&length) {
        return "".into();
    }
    geohash(longitude, latitude, length as usize).into()
}

/// The eight cells around one; at the poles some do not exist.
fn neighbours(text: &str) -> Value {
    let Some(cell) = Cell4::of_geohash(text) else { return Cell::Null };
    let (width, height) = (cell.east - cell.west, cell.north - cell.south);
    let (longitude, latitude) = ((cell.west + cell.east) / 2.0, (cell.south + cell.north) / 2.0);
    let mut around = Vec::new();
    for (right, up) in NEIGHBOURS {
        let latitude = latitude + up * height;
        if latitude.abs() < 90.0 {
            let longitude = (longitude + right * width + 180.0).rem_euclid(360.0) - 180.0;
            around.push(Json::from(geohash(longitude, latitude, text.len())));
        }
    }
    Json::Array(around).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geohashes_go_there_and_back() {
        let hash = geohash(-5.603, 42.605, 5);
        assert_eq!(hash, "ezs42");
        let cell = Cell4::of_geohash(&hash).unwrap();
        assert!(cell.west < -5.603 && -5.603 < cell.east && cell.south < 42.605 && 42.605 < cell.north);
    }

    #[test]
    fn a_quarter_of_the_equator() {
        let (zero, quarter) = (Point::new(0.0, 0.0).unwrap(), Point::new(90.0, 0.0).unwrap());
        assert!((zero.angle_to(quarter) - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
        let north = Point::new(45.0, 30.0).unwrap();
        assert!((north.angle_to_edge(zero, quarter) - 30f64.to_radians()).abs() < 1e-12);
        assert_eq!(zero.azimuth_to(zero), None);
    }
}
