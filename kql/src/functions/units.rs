//! `convert_length` and its like: values of one unit in another.
//!
//! The names are those of Kusto's pages. Factors are exact by definition where there is one.

use super::{Function, Kind, Returns, function, rule};
use crate::{ast::KqlType, rows::RowFunction};

const ARGUMENTS: &[Kind] = &[Kind::Number, Kind::Text, Kind::Text];
const REAL: Returns = Returns::Is(KqlType::Real);

/// Name of a unit, and how many base units it is.
type Unit = (&'static str, f64);

pub(super) const FUNCTIONS: &[Function] = &[
    function(&["convert_angle"], ARGUMENTS, 0, REAL, |_| convert(degrees, from_degrees)),
    function(&["convert_energy"], ARGUMENTS, 0, REAL, |_| by_factor(ENERGY)),
    function(&["convert_force"], ARGUMENTS, 0, REAL, |_| by_factor(FORCE)),
    function(&["convert_length"], ARGUMENTS, 0, REAL, |_| by_factor(LENGTH)),
    function(&["convert_mass"], ARGUMENTS, 0, REAL, |_| by_factor(MASS)),
    function(&["convert_speed"], ARGUMENTS, 0, REAL, |_| by_factor(SPEED)),
    function(&["convert_temperature"], ARGUMENTS, 0, REAL, |_| convert(kelvins, from_kelvins)),
    function(&["convert_volume"], ARGUMENTS, 0, REAL, |_| by_factor(VOLUME)),
];

fn by_factor(units: &'static [Unit]) -> Result<RowFunction, String> {
    let factor = move |name: &str| units.iter().find(|(known, _)| *known == name).map(|(_, factor)| *factor);
    rule(move |c| {
        let converted = || {
            let (from, to) = (factor(c[1].text())?, factor(c[2].text())?);
            Some(if from == to { c[0].real()? } else { c[0].real()? * from / to })
        };
        converted().into()
    })
}

/// Through a base unit. Units that nobody knows give null.
fn convert(
    to_base: fn(f64, &str) -> Option<f64>,
    from_base: fn(f64, &str) -> Option<f64>,
) -> Result<RowFunction, String> {
    rule(move |c| {
        let value = c[0].real();
        value.and_then(|value| to_base(value, c[1].text())).and_then(|value| from_base(value, c[2].text())).into()
    })
}

fn degrees(value: f64, unit: &str) -> Option<f64> {
    match unit {
        // A tilt is a sine.
        "Tilt" => Some(value.asin().to_degrees()),
        _ => angle(unit).map(|factor| value * factor),
    }
}

fn from_degrees(value: f64, unit: &str) -> Option<f64> {
    match unit {
        "Tilt" => Some(value.to_radians().sin()),
        "Arcminute" => Some(value * 60.0),
        "Arcsecond" => Some(value * 3600.0),
        _ => angle(unit).map(|factor| value / factor),
    }
}

fn angle(unit: &str) -> Option<f64> {
    const RADIAN: f64 = 180.0 / std::f64::consts::PI;
    Some(match unit {
        "Arcminute" => 1.0 / 60.0,
        "Arcsecond" => 1.0 / 3600.0,
        "Centiradian" => RADIAN * 1e-2,
        "Deciradian" => RADIAN * 1e-1,
        "Degree" => 1.0,
        "Gradian" => 0.9,
        "Microdegree" => 1e-6,
        "Microradian" => RADIAN * 1e-6,
        "Millidegree" => 1e-3,
        "Milliradian" => RADIAN * 1e-3,
        "Nanodegree" => 1e-9,
        "Nanoradian" => RADIAN * 1e-9,
        "NatoMil" => 360.0 / 6400.0,
        "Radian" => RADIAN,
        "Revolution" => 360.0,
        _ => return None,
    })
}

fn kelvins(value: f64, unit: &str) -> Option<f64> {
    Some(match unit {
        "DegreeCelsius" => value + 273.15,
        "DegreeDelisle" => 373.15 - value * 2.0 / 3.0,
        "DegreeFahrenheit" => (value + 459.67) * 5.0 / 9.0,
        "DegreeNewton" => value * 100.0 / 33.0 + 273.15,
        "DegreeRankine" => value * 5.0 / 9.0,
        "DegreeReaumur" => value * 5.0 / 4.0 + 273.15,
        "DegreeRoemer" => (value - 7.5) * 40.0 / 21.0 + 273.15,
        "Kelvin" => value,
        "MillidegreeCelsius" => value / 1000.0 + 273.15,
        "SolarTemperature" => value * 5778.0,
        _ => return None,
    })
}

fn from_kelvins(value: f64, unit: &str) -> Option<f64> {
    Some(match unit {
        "DegreeCelsius" => value - 273.15,
        "DegreeDelisle" => (373.15 - value) * 3.0 / 2.0,
        "DegreeFahrenheit" => value * 9.0 / 5.0 - 459.67,
        "DegreeNewton" => (value - 273.15) * 33.0 / 100.0,
        "DegreeRankine" => value * 9.0 / 5.0,
        "DegreeReaumur" => (value - 273.15) * 4.0 / 5.0,
        "DegreeRoemer" => (value - 273.15) * 21.0 / 40.0 + 7.5,
        "Kelvin" => value,
        "MillidegreeCelsius" => (value - 273.15) * 1000.0,
        "SolarTemperature" => value / 5778.0,
        _ => return None,
    })
}

const THERM_EC: f64 = 1.055_055_852_62e8;
const THERM_IMPERIAL: f64 = 1.055_055_852_573_48e8;
const THERM_US: f64 = 1.054_804e8;
const BTU: f64 = 1_055.055_852_62;
const ELECTRON_VOLT: f64 = 1.602_176_634e-19;

/// In joules.
const ENERGY: &[Unit] = &[
    ("BritishThermalUnit", BTU),
    ("Calorie", 4.184),
    ("DecathermEc", THERM_EC * 10.0),
    ("DecathermImperial", THERM_IMPERIAL * 10.0),
    ("DecathermUs", THERM_US * 10.0),
    ("ElectronVolt", ELECTRON_VOLT),
    ("Erg", 1e-7),
    ("FootPound", 1.355_817_948_331_400_4),
    ("GigabritishThermalUnit", BTU * 1e9),
    ("GigaelectronVolt", ELECTRON_VOLT * 1e9),
    ("Gigajoule", 1e9),
    ("GigawattDay", 86_400e9),
    ("GigawattHour", 3_600e9),
    ("HorsepowerHour", 2_684_519.537_696_172_7),
    ("Joule", 1.0),
    ("KilobritishThermalUnit", BTU * 1e3),
    ("Kilocalorie", 4_184.0),
    ("KiloelectronVolt", ELECTRON_VOLT * 1e3),
    ("Kilojoule", 1e3),
    ("KilowattDay", 86_400e3),
    ("KilowattHour", 3_600e3),
    ("MegabritishThermalUnit", BTU * 1e6),
    ("Megacalorie", 4_184_000.0),
    ("MegaelectronVolt", ELECTRON_VOLT * 1e6),
    ("Megajoule", 1e6),
    ("MegawattDay", 86_400e6),
    ("MegawattHour", 3_600e6),
    ("Millijoule", 1e-3),
    ("TeraelectronVolt", ELECTRON_VOLT * 1e12),
    ("TerawattDay", 86_400e12),
    ("TerawattHour", 3_600e12),
    ("ThermEc", THERM_EC),
    ("ThermImperial", THERM_IMPERIAL),
    ("ThermUs", THERM_US),
    ("WattDay", 86_400.0),
    ("WattHour", 3_600.0),
];

const GRAVITY: f64 = 9.806_65;

/// In newtons.
const FORCE: &[Unit] = &[
    ("Decanewton", 10.0),
    ("Dyn", 1e-5),
    ("KilogramForce", GRAVITY),
    ("Kilonewton", 1e3),
    ("KiloPond", GRAVITY),
    ("KilopoundForce", POUND * GRAVITY * 1e3),
    ("Meganewton", 1e6),
    ("Micronewton", 1e-6),
    ("Millinewton", 1e-3),
    ("Newton", 1.0),
    ("OunceForce", POUND * GRAVITY / 16.0),
    ("Poundal", POUND * 0.3048),
    ("PoundForce", POUND * GRAVITY),
    ("ShortTonForce", POUND * GRAVITY * 2e3),
    ("TonneForce", GRAVITY * 1e3),
];

const LIGHT_YEAR: f64 = 9_460_730_472_580_800.0;
const PARSEC: f64 = 3.085_677_581_491_367e16;
const INCH: f64 = 0.0254;
const SURVEY_FOOT: f64 = 1200.0 / 3937.0;

/// In metres.
const LENGTH: &[Unit] = &[
    ("Angstrom", 1e-10),
    ("AstronomicalUnit", 1.495_978_707e11),
    ("Centimeter", 1e-2),
    ("Chain", 20.1168),
    ("DataMile", 1828.8),
    ("Decameter", 10.0),
    ("Decimeter", 0.1),
    ("DtpPica", INCH / 6.0),
    ("DtpPoint", INCH / 72.0),
    ("Fathom", 1.8288),
    ("Foot", 0.3048),
    ("Hand", 0.1016),
    ("Hectometer", 100.0),
    ("Inch", INCH),
    ("KilolightYear", LIGHT_YEAR * 1e3),
    ("Kilometer", 1e3),
    ("Kiloparsec", PARSEC * 1e3),
    ("LightYear", LIGHT_YEAR),
    ("MegalightYear", LIGHT_YEAR * 1e6),
    ("Megaparsec", PARSEC * 1e6),
    ("Meter", 1.0),
    ("Microinch", INCH * 1e-6),
    ("Micrometer", 1e-6),
    ("Mil", INCH * 1e-3),
    ("Mile", 1_609.344),
    ("Millimeter", 1e-3),
    ("Nanometer", 1e-9),
    ("NauticalMile", 1852.0),
    ("Parsec", PARSEC),
    ("PrinterPica", INCH * 12.0 / 72.27),
    ("PrinterPoint", INCH / 72.27),
    ("Shackle", 27.432),
    ("SolarRadius", 6.957e8),
    ("Twip", INCH / 1440.0),
    ("UsSurveyFoot", SURVEY_FOOT),
    ("Yard", 0.9144),
];

const POUND: f64 = 0.453_592_37;

/// In kilograms.
const MASS: &[Unit] = &[
    ("Centigram", 1e-5),
    ("Decagram", 1e-2),
    ("Decigram", 1e-4),
    ("EarthMass", 5.9722e24),
    ("Grain", POUND / 7000.0),
    ("Gram", 1e-3),
    ("Hectogram", 0.1),
    ("Kilogram", 1.0),
    ("Kilopound", POUND * 1e3),
    ("Kilotonne", 1e6),
    ("LongHundredweight", POUND * 112.0),
    ("LongTon", POUND * 2240.0),
    ("Megapound", POUND * 1e6),
    ("Megatonne", 1e9),
    ("Microgram", 1e-9),
    ("Milligram", 1e-6),
    ("Nanogram", 1e-12),
    ("Ounce", POUND / 16.0),
    ("Pound", POUND),
    ("ShortHundredweight", POUND * 100.0),
    ("ShortTon", POUND * 2000.0),
    ("Slug", POUND * GRAVITY / 0.3048),
    ("SolarMass", 1.988_47e30),
    ("Stone", POUND * 14.0),
    ("Tonne", 1e3),
];

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// In metres per second.
const SPEED: &[Unit] = &[
    ("CentimeterPerHour", 1e-2 / HOUR),
    ("CentimeterPerMinute", 1e-2 / MINUTE),
    ("CentimeterPerSecond", 1e-2),
    ("DecimeterPerMinute", 0.1 / MINUTE),
    ("DecimeterPerSecond", 0.1),
    ("FootPerHour", 0.3048 / HOUR),
    ("FootPerMinute", 0.3048 / MINUTE),
    ("FootPerSecond", 0.3048),
    ("InchPerHour", INCH / HOUR),
    ("InchPerMinute", INCH / MINUTE),
    ("InchPerSecond", INCH),
    ("KilometerPerHour", 1e3 / HOUR),
    ("KilometerPerMinute", 1e3 / MINUTE),
    ("KilometerPerSecond", 1e3),
    ("Knot", 1852.0 / HOUR),
    ("MeterPerHour", 1.0 / HOUR),
    ("MeterPerMinute", 1.0 / MINUTE),
    ("MeterPerSecond", 1.0),
    ("MicrometerPerMinute", 1e-6 / MINUTE),
    ("MicrometerPerSecond", 1e-6),
    ("MilePerHour", 1_609.344 / HOUR),
    ("MillimeterPerHour", 1e-3 / HOUR),
    ("MillimeterPerMinute", 1e-3 / MINUTE),
    ("MillimeterPerSecond", 1e-3),
    ("NanometerPerMinute", 1e-9 / MINUTE),
    ("NanometerPerSecond", 1e-9),
    ("UsSurveyFootPerHour", SURVEY_FOOT / HOUR),
    ("UsSurveyFootPerMinute", SURVEY_FOOT / MINUTE),
    ("UsSurveyFootPerSecond", SURVEY_FOOT),
    ("YardPerHour", 0.9144 / HOUR),
    ("YardPerMinute", 0.9144 / MINUTE),
    ("YardPerSecond", 0.9144),
];

const CUBIC_INCH: f64 = INCH * INCH * INCH;
const CUBIC_FOOT: f64 = 0.028_316_846_592;
const US_GALLON: f64 = 0.003_785_411_784;
const IMPERIAL_GALLON: f64 = 0.004_546_09;
const CUBIC_MILE: f64 = 4_168_181_825.440_58;

/// In cubic metres.
const VOLUME: &[Unit] = &[
    // Kusto's own factor, which has six digits.
    ("AcreFoot", 1.0 / 0.000_810_714),
    ("AuTablespoon", 20e-6),
    ("BoardFoot", CUBIC_FOOT / 12.0),
    ("Centiliter", 1e-5),
    ("CubicCentimeter", 1e-6),
    ("CubicDecimeter", 1e-3),
    ("CubicFoot", CUBIC_FOOT),
    ("CubicHectometer", 1e6),
    ("CubicInch", CUBIC_INCH),
    ("CubicKilometer", 1e9),
    ("CubicMeter", 1.0),
    ("CubicMicrometer", 1e-18),
    ("CubicMile", CUBIC_MILE),
    ("CubicMillimeter", 1e-9),
    ("CubicYard", CUBIC_FOOT * 27.0),
    ("Decaliter", 1e-2),
    ("DecausGallon", US_GALLON * 10.0),
    ("Deciliter", 1e-4),
    ("DeciusGallon", US_GALLON * 0.1),
    ("HectocubicFoot", CUBIC_FOOT * 100.0),
    ("HectocubicMeter", 100.0),
    ("Hectoliter", 0.1),
    ("HectousGallon", US_GALLON * 100.0),
    ("ImperialBeerBarrel", IMPERIAL_GALLON * 36.0),
    ("ImperialGallon", IMPERIAL_GALLON),
    ("ImperialOunce", IMPERIAL_GALLON / 160.0),
    ("ImperialPint", IMPERIAL_GALLON / 8.0),
    ("KilocubicFoot", CUBIC_FOOT * 1e3),
    ("KilocubicMeter", 1e3),
    ("KiloimperialGallon", IMPERIAL_GALLON * 1e3),
    ("Kiloliter", 1.0),
    ("KilousGallon", US_GALLON * 1e3),
    ("Liter", 1e-3),
    ("MegacubicFoot", CUBIC_FOOT * 1e6),
    ("MegaimperialGallon", IMPERIAL_GALLON * 1e6),
    ("Megaliter", 1e3),
    ("MegausGallon", US_GALLON * 1e6),
    ("MetricCup", 250e-6),
    ("MetricTeaspoon", 5e-6),
    ("Microliter", 1e-9),
    ("Milliliter", 1e-6),
    ("OilBarrel", US_GALLON * 42.0),
    ("UkTablespoon", 15e-6),
    ("UsBeerBarrel", US_GALLON * 31.0),
    ("UsCustomaryCup", US_GALLON / 16.0),
    ("UsGallon", US_GALLON),
    ("UsLegalCup", 240e-6),
    ("UsOunce", US_GALLON / 128.0),
    ("UsPint", US_GALLON / 8.0),
    ("UsQuart", US_GALLON / 4.0),
    ("UsTablespoon", US_GALLON / 256.0),
    ("UsTeaspoon", US_GALLON / 768.0),
];
