//! Where in the world an address is: what a host may plug in for `geo_info_from_ip_address`.

use std::net::IpAddr;

/// What is known about an address. Empty where nothing is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GeoInfo {
    /// Name of the country.
    pub country: String,
    /// Name of the state or other subdivision.
    pub state: String,
    /// Name of the city.
    pub city: String,
    /// Degrees north, if known.
    pub latitude: Option<f64>,
    /// Degrees east, if known.
    pub longitude: Option<f64>,
}

/// A database of networks and their places.
pub trait GeoDatabase: Send + Sync {
    /// The place of an address; `None` if the database does not have it.
    fn lookup(&self, address: IpAddr) -> Option<GeoInfo>;
}

/// Networks with their places, as a CSV file lists them.
#[derive(Debug, Default)]
pub struct GeoNetworks {
    /// First and last address and the place, by first address; networks that contain others come first.
    ranges: Vec<(u128, u128, GeoInfo)>,
    /// The longest reach of any range up to each place, to know when a search may stop.
    reach: Vec<u128>,
}

impl GeoNetworks {
    /// Reads lines of `network,country,state,city,latitude,longitude`, where the network is like
    /// `203.0.113.0/24` or `2001:db8::/32`. A first line without a network is a heading. Fields with
    /// commas stand in double quotes.
    ///
    /// # Errors
    /// The first line that is none of that, with its number.
    pub fn from_csv(text: &str) -> Result<Self, String> {
        let mut ranges = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let fields = crate::functions::first_record(line.trim_end_matches('\r'));
            if fields.iter().all(|field| field.trim().is_empty()) {
                continue;
            }
            let network = network(&fields[0]);
            if network.is_none() && at == 0 {
                continue;
            }
            let (first, last) = network
                .ok_or_else(|| format!("line {}: `{}` is no network such as 203.0.113.0/24", at + 1, fields[0]))?;
            if fields.len() != 6 {
                return Err(format!(
                    "line {}: 6 fields are needed (network,country,state,city,latitude,longitude), this has {}",
                    at + 1,
                    fields.len()
                ));
            }
            let degrees = |field: &str| -> Result<Option<f64>, String> {
                match field.trim() {
                    "" => Ok(None),
                    text => text.parse().map(Some).map_err(|_| format!("line {}: `{text}` is no number", at + 1)),
                }
            };
            let info = GeoInfo {
                country: fields[1].clone(),
                state: fields[2].clone(),
                city: fields[3].clone(),
                latitude: degrees(&fields[4])?,
                longitude: degrees(&fields[5])?,
            };
            ranges.push((first, last, info));
        }
        ranges.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
        let reach = ranges
            .iter()
            .scan(0, |most, (_, last, _)| {
                *most = (*last).max(*most);
                Some(*most)
            })
            .collect();
        Ok(Self { ranges, reach })
    }
}

impl GeoDatabase for GeoNetworks {
    fn lookup(&self, address: IpAddr) -> Option<GeoInfo> {
        let address = number(address);
        let mut at = self.ranges.partition_point(|(first, ..)| *first <= address);
        // Backwards from the nearest start: the first range that holds the address is the narrowest.
        while at > 0 && self.reach[at - 1] >= address {
            at -= 1;
            if self.ranges[at].1 >= address {
                return Some(self.ranges[at].2.clone());
            }
        }
        None
    }
}

/// Every address as one of IPv6.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// First and last address of a network.
fn network(text: &str) -> Option<(u128, u128)> {
    let (address, bits) = match text.trim().split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    let free = width.checked_sub(bits)?;
    let rest = if free == 128 { u128::MAX } else { (1u128 << free) - 1 };
    let first = number(address) & !rest;
    Some((first, first | rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_network_wins() {
        let database = GeoNetworks::from_csv(
            "network,country,state,city,latitude,longitude\n\
             10.0.0.0/8,A,,,1,2\n10.1.0.0/16,B,S,\"C, D\",3.5,-4\n10.1.2.3,E,,,,\n2001:db8::/32,F,,,,\n",
        )
        .unwrap();
        let country = |text: &str| database.lookup(text.parse().unwrap()).map(|info| info.country);
        assert_eq!(country("10.200.0.1").as_deref(), Some("A"));
        assert_eq!(country("10.1.0.1").as_deref(), Some("B"));
        assert_eq!(country("10.1.2.3").as_deref(), Some("E"));
        assert_eq!(country("2001:db8::5").as_deref(), Some("F"));
        assert_eq!(country("::ffff:10.1.0.1").as_deref(), Some("B"));
        assert_eq!((country("11.0.0.0"), country("9.255.255.255")), (None, None));
        let place = database.lookup("10.1.0.1".parse().unwrap()).unwrap();
        assert_eq!((place.city.as_str(), place.latitude, place.longitude), ("C, D", Some(3.5), Some(-4.0)));
    }

    #[test]
    fn mistakes_name_their_line() {
        assert!(GeoNetworks::from_csv("network,c,s,c,l,l\n10.0.0.0/33,a,b,c,1,2").unwrap_err().contains("line 2"));
        assert!(GeoNetworks::from_csv("10.0.0.0/8,a").unwrap_err().contains("6 fields"));
        assert!(GeoNetworks::from_csv("10.0.0.0/8,a,b,c,x,2").unwrap_err().contains("`x` is no number"));
    }
}
