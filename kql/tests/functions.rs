//! Functions beyond everyday use, with values from Kusto's pages or from their definitions.

mod common;

use std::sync::Arc;

use common::{answer, error, rows, rows_of};
use huntbook_kql::{Catalog, Engine, GeoDatabase, GeoNetworks};
use polars::prelude::LazyFrame;
use serde_json::{Value, json};

macro_rules! cases {
    ($($name:ident: $query:expr => $rows:tt;)*) => {
        $(#[test] fn $name() { assert_eq!(rows($query), json!($rows), "{}", $query); })*
    };
}

cases! {
    seasons_are_medians_of_phases: "print series_seasonal(dynamic([2, 5, 3, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1, 2, 3, 4, 3, 2, 1])), series_seasonal(dynamic([1, 3, 5, 2, 4, 6, 1, 3, 5, 2, 4, 6])), series_seasonal(dynamic([1, 3, 5, 2, 4, 6, 1, 3, 5, 2, 4, 6]), 3)" => [[[1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.5, 3.5, 5.5, 1.5, 3.5, 5.5, 1.5, 3.5, 5.5, 1.5, 3.5, 5.5]]];
    seasons_of_five: "print series_seasonal(dynamic([8, 12, 14, 12, 10, 10, 12, 14, 12, 10, 10, 12, 14, 12, 10, 10, 12, 14, 12, 10]))" => [[[10.0, 12.0, 14.0, 12.0, 10.0, 10.0, 12.0, 14.0, 12.0, 10.0, 10.0, 12.0, 14.0, 12.0, 10.0, 10.0, 12.0, 14.0, 12.0, 10.0]]];
    series_are_taken_apart: "print s = dynamic([1, 5, 2, 6, 3, 7, 4, 8]) | extend (baseline, seasonal, trend, residual) = series_decompose(s, 2, 'linefit') | project seasonal, round(series_sum(residual), 9), array_length(trend)" => [[[2.5, 6.5, 2.5, 6.5, 2.5, 6.5, 2.5, 6.5], 0.0, 8]];
    trends_may_be_left_out: "print s = dynamic([4, 6]) | project series_decompose(s, 0, 'none')[0], series_decompose(s, 0, 'avg')[0], series_decompose(s, 0, 'avg')[3]" => [[[0.0, 0.0], [5.0, 5.0], [-1.0, 1.0]]];
    outliers_have_the_documented_scores: "print s = series_outliers(dynamic([30, 28, 5, 27, 31, 38, 29, 80, 25, 37, 30])) | mv-expand s | project round(todouble(s), 6)" => [[0.0], [0.0], [-3.206897], [-0.172414], [0.0], [2.666667], [0.0], [16.666667], [-0.448276], [2.333333], [0.0]];
    tukeys_fences_are_quartiles: "print series_outliers(dynamic([1, 2, 3, 4, 5, 20]), 'tukey')" => [[[-0.5, -0.1, 0.0, 0.0, 0.1, 6.1]]];
    periods_are_validated: "print s = dynamic([1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]) | project (p, q) = series_periods_validate(s, 5.0, 7.0) | project p, q[0] > 0.8, q[1]" => [[[5.0, 7.0], true, 0.0]];
    two_lines_meet_at_the_bend: "print s = dynamic([0, 1, 2, 3, 4, 20, 18, 16, 14]) | project (r, at) = series_fit_2lines(s) | project round(r, 6), at" => [[1.0, 5]];
    two_lines_as_a_bag: "print f = series_fit_2lines_dynamic(dynamic([0, 1, 2, 3, 4, 20, 18, 16, 14])) | project f.split_idx, round(todouble(f.right.slope), 6), round(todouble(f.left.slope), 6)" => [[5, -2.0, 1.0]];
    polynomials_fit: "print (r, c) = series_fit_poly(dynamic([2, 9, 28, 65, 126]), dynamic([1, 2, 3, 4, 5]), 3) | mv-expand c | project round(todouble(c), 6)" => [[1.0], [0.0], [0.0], [1.0]];
    transforms_go_there_and_back: "print (re, im) = series_fft(dynamic([1, 2, 3, 4])) | extend (back, zero) = series_ifft(re, im) | project re, im, back" => [[[10.0, -2.0, -2.0, -2.0], [0.0, 2.0, 0.0, -2.0], [1.0, 2.0, 3.0, 4.0]]];
    units_convert: "print convert_mass(1.2, 'Kilogram', 'Pound'), convert_length(1.2, 'Meter', 'Foot'), convert_angle(1.2, 'Degree', 'Arcminute'), convert_force(1.2, 'Newton', 'Decanewton'), round(convert_speed(1.2, 'MeterPerSecond', 'CentimeterPerHour'), 6), isnull(convert_mass(1.0, 'Kilogram', 'Nothing'))" => [[2.6455471462185307, 3.9370078740157477, 72.0, 0.12, 432000.0, true]];
    temperatures_convert: "print round(convert_temperature(1.2, 'Kelvin', 'DegreeCelsius'), 6), round(convert_temperature(212.0, 'DegreeFahrenheit', 'DegreeCelsius'), 9)" => [[-271.95, 100.0]];
    error_functions: "print round(erf(0.5), 12), round(erfc(2), 12), erf(0)" => [[0.520499877813, 0.004677734981, 0.0]];
    beta_distributions: "print round(beta_cdf(0.5, 2, 3), 12), round(beta_pdf(0.5, 2, 3), 12), round(beta_inv(0.1, 10.0, 20.0), 12), isnan(beta_cdf(1.5, 10, 20))" => [[0.6875, 1.5, 0.226415022389, true]];
    welch_of_the_example: "print s1 = dynamic([27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4]), s2 = dynamic([27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4]) | mv-expand s1 to typeof(double), s2 to typeof(double) | summarize m1=avg(s1), v1=variance(s1), c1=count(), m2=avg(s2), v2=variance(s2), c2=count() | project round(welch_test(m1,v1,c1,m2,v2,c2), 3)" => [[0.021]];
    compression_matches_the_service: "print gzip_compress_to_base64_string('1234567890qwertyuiop'), zlib_compress_to_base64_string('1234567890qwertyuiop')" => [["H4sIAAAAAAAA/wEUAOv/MTIzNDU2Nzg5MHF3ZXJ0eXVpb3A6m7f2FAAAAA==", "eJwBFADr/zEyMzQ1Njc4OTBxd2VydHl1aW9wOAkGdw=="]];
    compression_goes_back: "print s = strrep('huntbook ', 500) | project strlen(gzip_compress_to_base64_string(s)) < 200, gzip_decompress_from_base64_string(gzip_compress_to_base64_string(s)) == s, zlib_decompress_from_base64_string(zlib_compress_to_base64_string(s)) == s" => [[true, true, true]];
    domains_in_punycode: "print punycode_domain_to_string('Riðill｡Skáldskaparmál｡org'), punycode_domain_to_string('Lê Lợi。Thuận Thiên。com'), punycode_domain_from_string('xn--Ge-mia.Bulg.edu')" => [["xn--Riill-jta.xn--Skldskaparml-dbbj.org", "xn--L Li-gpa4517b.xn--Thun Thin-s4a7194f.com", "Gáe.Bulg.edu"]];
    trees_have_paths: "print treepath(parse_json('{\"prop1\":[1,2,3,4], \"prop2\":\"value2\"}')), treepath(parse_json('{\"listProperty\":[100,200,300,\"abcde\",{\"x\":\"y\"}]}'))" => [[["['prop1']", "['prop1'][0]", "['prop2']"], ["['listProperty']", "['listProperty'][0]", "['listProperty'][0]['x']"]]];
    sizes_are_estimated: "range x from 1 to 10 step 1 | extend Text = '1234567890' | summarize Total = sum(estimate_data_size(*))" => [[180]];
    zones_are_listed: "print z = datetime_list_timezones() | project set_has_element(z, 'Europe/Berlin'), set_has_element(z, 'UTC')" => [[true, true]];
    columns_are_asked_for: "print a = 1 | extend x = iscolumnexists('a'), y = iscolumnexists('b')" => [[1, true, false]];
    ingestion_is_unknown_without_its_column: "print a = 1 | project isnull(ingestion_time())" => [[true]];
    ingestion_is_a_column_of_the_service: "print _TimeReceived = datetime(2020-01-01) | extend ingestion_time() | project ['$IngestionTime']" => [["2020-01-01T00:00:00.0000000Z"]];
    urls_have_older_names: "print parseurl('https://h.io/p').Host, parseurlquery('a=1')['Query Parameters']" => [["h.io", {"a": "1"}]];
    assertions_hold: "let checked = (length: long) { assert(length > 0, 'Length must be greater than zero') and length < 5 }; print checked(3)" => [[true]];
    digests_know_ranks: "range x from 1 to 1000 step 1 | summarize t = tdigest(x) | project rank_tdigest(t, 685), percentrank_tdigest(t, 500), percentiles_array_tdigest(t, 10, 50), percentiles_array_tdigest(t, dynamic([90])), tdigest_isvalid(t), hll_isvalid(t)" => [[685.0, 50.0, [100, 500], [900], true, false]];
    guids_and_chance_differ: "print a = new_guid(), b = new_guid(), c = rand() | project a != b, c >= 0 and c < 1" => [[true, true]];
}

/// A month of hourly values with a day's rhythm, a spike and a dip.
const RHYTHM: &str = "range t from 0 to 24 * 28 - 1 step 1 \
    | extend y = 10.0 + 5.0 * sin(2 * pi() * t / 24) + (t * 7919 % 13) / 26.0 \
    | extend y = case(t == 300, y + 20, t == 400, y - 20, y) | summarize y = make_list(y)";

#[test]
fn anomalies_stand_out_of_the_season() {
    let query = format!(
        "{RHYTHM} | extend (flag, score, baseline) = series_decompose_anomalies(y, 3.0) \
         | mv-expand at = range(0, array_length(y) - 1, 1) to typeof(long), flag to typeof(long), score to typeof(double) \
         | where flag != 0 | project at, flag, abs(score) > 10"
    );
    assert_eq!(rows(&query), json!([[300, 1, true], [400, -1, true]]));
}

#[test]
fn the_day_is_found_by_itself() {
    let query = format!("{RHYTHM} | project series_periods_detect(y, 4.0, 100.0, 2)[0]");
    assert_eq!(rows(&query)[0][0][0], json!(24.0));
}

#[test]
fn forecasts_go_on_with_the_season() {
    let query = "range t from 0 to 29 step 1 | summarize y = make_list(iff(t < 25, toreal(t % 5), 0.0)) \
                 | extend (forecast) = series_decompose_forecast(y, 5, 5) | project array_slice(forecast, 25, 29)";
    assert_eq!(rows(query), json!([[[0.0, 1.0, 2.0, 3.0, 4.0]]]));
}

#[test]
fn gaps_in_a_series_are_no_anomalies() {
    let query = "print y = dynamic([1, 1, 1, null, 1, 1, 1, 9, 1, 1]) \
                 | extend (flag, score, baseline) = series_decompose_anomalies(y, 1.5, 0, 'none') | project flag";
    assert_eq!(rows(query), json!([[[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]]));
}

#[test]
fn columns_of_decompositions_are_named() {
    let columns: Vec<String> = answer("print y = dynamic([1, 2]) | project series_decompose_anomalies(y)")
        .schema
        .into_iter()
        .map(|column| column.name)
        .collect();
    let part = |suffix: &str| format!("series_decompose_anomalies_y_{suffix}");
    assert_eq!(columns, [part("ad_flag"), part("ad_score"), part("baseline")]);
}

#[test]
fn hostile_series_fail_softly() {
    for series in [
        "dynamic([])",
        "dynamic([1])",
        "dynamic(['x'])",
        "dynamic({})",
        "dynamic(null)",
        "dynamic([1e308, -1e308, 1e308, 0, 1])",
    ] {
        for function in [
            "series_decompose({})",
            "series_decompose_anomalies({})",
            "series_decompose_anomalies({}, 1.5, 100000)",
            "series_outliers({})",
            "series_seasonal({})",
            "series_seasonal({}, -7)",
            "series_periods_detect({}, 0.0, 50.0, 3)",
            "series_periods_validate({}, 4.0, -1.0)",
            "series_fit_2lines({})",
            "series_fit_poly({})",
            "series_fft({})",
            "series_decompose_forecast({}, 1000)",
        ] {
            let query = format!("print x = {}", function.replace("{}", series));
            assert!(matches!(rows(&query), Value::Array(_)), "{query}");
        }
    }
}

#[test]
fn wrong_arguments_are_named() {
    for (query, wanted) in [
        ("print series_decompose(dynamic([1, 2]), -1, 'line')", "'avg', 'linefit' or 'none', not 'line'"),
        ("print series_outliers(dynamic([1]), 'sigma')", "'tukey' or 'ctukey', not 'sigma'"),
        ("print series_fit_poly(dynamic([1, 2]), 3)", "the array of positions"),
        ("print assert(1 > 2, 'so it is')", "failed with message: 'so it is'"),
        ("print x = 1 | extend assert(x > 2, 'm')", "without looking at rows"),
        ("print estimate_data_size(dynamic([1]))", "the size of a dynamic"),
        ("print geo_info_from_ip_address('8.8.8.8')", "needs a database of networks"),
        ("print hash_many('a', 'b')", "function `hash_many` is not executed"),
    ] {
        let shown = error(query);
        assert!(shown.contains(wanted), "{query}\n{shown}");
    }
}

/// A host that knows where two networks are.
struct Atlas;

impl Catalog for Atlas {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table(&self, _name: &str) -> Result<Option<LazyFrame>, String> {
        Ok(None)
    }

    fn geo_database(&self) -> Result<Arc<dyn GeoDatabase>, String> {
        let text =
            "20.53.203.0/24,Australia,New South Wales,Sydney,-33.8715,151.2006\n2a03:2880::/32,United States,,,,\n";
        Ok(Arc::new(GeoNetworks::from_csv(text)?))
    }
}

#[test]
fn addresses_have_places() {
    let query = "datatable(ip: string)['20.53.203.50', '2a03:2880:f12c:83:face:b00c::25de', '127.0.0.1', 'x', ''] \
                 | project geo_info_from_ip_address(ip)";
    let result = Engine::new(Atlas).run(query).unwrap();
    let sydney = json!({
        "country": "Australia", "state": "New South Wales", "city": "Sydney", "latitude": -33.8715, "longitude": 151.2006
    });
    assert_eq!(rows_of(&result), json!([[sydney], [{"country": "United States"}], [null], [null], [null]]));
}
