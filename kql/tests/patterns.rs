//! Plug-ins and operators that look for patterns, windows and sequences.

mod common;

use common::{error, rows};
use serde_json::json;

macro_rules! cases {
    ($($name:ident: $query:expr => $rows:tt;)*) => {
        $(#[test] fn $name() { assert_eq!(rows($query), json!($rows), "{}", $query); })*
    };
}

/// Storms as on Kusto's page: hail never damages, wind does at times.
const STORMS: &str = "let hail = range x from 1 to 60 step 1 | project Event = 'Hail', Damage = 'NO', Crops = 0; \
    let wind = range x from 1 to 30 step 1 | project Event = 'Wind', Damage = iff(x <= 10, 'YES', 'NO'), Crops = iff(x <= 5, 7, 0); \
    let rest = range x from 1 to 10 step 1 | project Event = strcat('Other', x), Damage = 'NO', Crops = 0; \
    let storms = union hail, wind, rest; ";

#[test]
fn baskets_are_all_closed_patterns() {
    // NO implies no damaged crops: both are given together, and never NO alone.
    assert_eq!(
        rows(&format!("{STORMS} storms | evaluate basket(0.25)")),
        json!([
            [0, 95, 95.0, "", "", 0],
            [1, 90, 90.0, "", "NO", 0],
            [2, 60, 60.0, "Hail", "NO", 0],
            [3, 30, 30.0, "Wind", "", null],
            [4, 25, 25.0, "Wind", "", 0]
        ])
    );
    assert_eq!(
        rows(&format!("{STORMS} storms | evaluate basket(0.5, '~', 1, '*', int(-1), long(-2))")),
        json!([[0, 95, 95.0, "*", "*", 0], [1, 90, 90.0, "*", "NO", 0], [2, 60, 60.0, "Hail", "NO", 0]])
    );
}

cases! {
    weights_count_as_rows: "datatable(k: string, n: long)['a', 9, 'b', 1] | evaluate basket(0.5, n)" => [[0, 9, 90.0, "a"]];
    baskets_of_nothing: "datatable(k: string)[] | evaluate basket()" => [];
    clusters_are_few_and_say_much: "range x from 1 to 100 step 1 | project op = iff(x <= 80, 'read', strcat('op', x)), result = iff(x <= 80, 'ok', 'failed'), id = x | evaluate autocluster() | project Count, op, result, id" => [[80, "read", "ok", null], [20, "", "failed", null]];
    clusters_of_many_rows: "range t from 1 to 50000 step 1 | project op = iff(t % 7 == 0, 'delete', 'read'), host = strcat('h', t % 40), id = t | evaluate autocluster() | project Percent, op, host | take 1" => [[85.7, "read", ""]];
    differences_between_sets: "range x from 1 to 100 step 1 | project failed = iff(x <= 50, 'yes', 'no'), host = iff(x <= 40 or x == 60, 'h1', 'h2'), os = 'linux' | evaluate diffpatterns(failed, 'yes', 'no')" => [[0, 40, 1, 80.0, 2.0, 78.0, "h1", "linux"], [1, 10, 49, 20.0, 98.0, 78.0, "h2", "linux"]];
    percentiles_roll: "let T = range idx from 0 to 24 * 10 - 1 step 1 | project Timestamp = datetime(2018-01-01) + 1h * idx, val = idx + 1; T | evaluate rolling_percentile(val, 50, Timestamp, 1d, 3) | project rolling_3_percentile_val_50" => [[12], [24], [36], [60], [84], [108], [132], [156], [180], [204]];
    percentiles_roll_by_dimension: "let T = range idx from 0 to 24 * 10 - 1 step 1 | project Timestamp = datetime(2018-01-01) + 1h * idx, val = idx + 1 | extend EvenOrOdd = iff(val % 2 == 0, 'Even', 'Odd'); T | evaluate rolling_percentile(val, 50, Timestamp, 1d, 3, EvenOrOdd) | where Timestamp == datetime(2018-01-10) | project EvenOrOdd, rolling_3_percentile_val_50 | sort by EvenOrOdd asc" => [["Even", 204], ["Odd", 203]];
    windows_slide: "let T = datatable(UserId:string, Timestamp:datetime)['Bob', datetime(2017-08-01), 'David', datetime(2017-08-01), 'David', datetime(2017-08-01), 'John', datetime(2017-08-01), 'Bob', datetime(2017-08-01), 'Ananda', datetime(2017-08-02), 'Atul', datetime(2017-08-02), 'John', datetime(2017-08-02), 'Ananda', datetime(2017-08-03), 'Atul', datetime(2017-08-03), 'Atul', datetime(2017-08-03), 'John', datetime(2017-08-03), 'Bob', datetime(2017-08-03), 'Betsy', datetime(2017-08-04), 'Bob', datetime(2017-08-05)]; T | evaluate sliding_window_counts(UserId, Timestamp, datetime(2017-08-01), datetime(2017-08-07), 3d, 1d) | project Count, Dcount" => [[5, 3], [8, 5], [13, 5], [9, 5], [7, 5], [2, 2], [1, 1]];
    sequences_are_found: "datatable(t: datetime, e: string, u: string)[datetime(2020-01-01 10:00), 'invite', 'a', datetime(2020-01-01 10:30), 'redeem', 'a', datetime(2020-01-01 13:00), 'redeem', 'a', datetime(2020-01-01 09:00), 'redeem', 'b', datetime(2020-01-01 10:00), 'invite', 'b'] | evaluate sequence_detect(t, 1h, 2h, i = (e == 'invite'), r = (e == 'redeem'), u)" => [["a", "2020-01-01T10:00:00.0000000Z", "2020-01-01T10:30:00.0000000Z", "00:30:00"]];
    sketches_intersect: "range x from 1 to 100 step 1 | summarize e = hll(iif(x % 2 == 0, x, 0), 2), m = hll(iif(x % 3 == 0, x, 0), 2) | evaluate dcount_intersect(e, m) | project s0 - 1, s1 - 1" => [[50, 16]];
    lookups_of_ipv6: "let nets = datatable(net: string, c: string)['2001:db8::/32', 'wide', '2001:db8:1::/48', 'near', '10.0.0.0/8', 'four', '1.1.1.1/4294967295', 'none']; datatable(ip: string)['2001:db8:1::5', '2001:db8:2::5', '10.1.1.1', 'fe80::1'] | evaluate ipv6_lookup(nets, ip, net) | project ip, c" => [["2001:db8:1::5", "near"], ["2001:db8:2::5", "wide"], ["10.1.1.1", "four"]];
    lookups_with_a_further_key: "let nets = datatable(net: string, zone: string, n: long)['10.0.0.0/8', 'x', 1, '10.0.0.0/8', 'y', 2]; datatable(ip: string, zone: string)['10.1.1.1', 'y', '10.1.1.1', 'z'] | evaluate ipv4_lookup(nets, ip, net, zone) | project ip, zone, n" => [["10.1.1.1", "y", 2]];
    texts_are_reduced: "range x from 1 to 10 step 1 | project s = strcat('foo', 'Z', tostring(x)) | reduce by s with characters = 'Z'" => [["foo*", 10, "fooZ1"]];
    texts_without_pattern_are_others: "range x from 1 to 10 step 1 | project s = strcat('foo', 'Z', tostring(x)) | reduce by s" => [["others", 10, ""]];
    reduce_may_keep_the_rows: "datatable(s: string)['user ann', 'user bob'] | reduce kind=source by s" => [["user ann", "user *"], ["user bob", "user *"]];
    facets_count_one_column: "datatable(a: string)['x', 'y', 'x'] | facet by a | sort by a asc" => [["x", 2], ["y", 1]];
    a_fork_of_one: "range x from 1 to 3 step 1 | fork (where x > 1 | count)" => [[2]];
    partitions_take_any_operator: "datatable(k: string, v: long)['a', 1, 'b', 5, 'a', 3] | partition by k (union (print v = 100) | summarize m = max(v), n = count()) | sort by n asc" => [[100, 2], [100, 3]];
    partitions_name_their_part: "datatable(k: string, v: long)['a', 1, 'b', 6, 'a', 3] | partition by k (as P | extend share = 1.0 * v / toscalar(P | summarize sum(v))) | project k, share | sort by k asc, share asc" => [["a", 0.25], ["a", 0.75], ["b", 1.0]];
    partitions_with_a_query: "let T = range y from 1 to 5 step 1; range x from 2 to 3 step 1 | partition by x {T | where y <= toscalar(x) | summarize n = count()} | sort by n asc" => [[2], [3]];
    the_others_make_one_row: "datatable(a: string, n: long)['x', 5, 'y', 3, 'z', 2, 'w', 1] | top-nested 2 of a with others = 'rest' by s = sum(n)" => [["x", 5], ["y", 3], ["rest", 3]];
    no_others_make_no_row: "datatable(a: string, n: long)['x', 5] | top-nested 2 of a with others = 'rest' by s = sum(n)" => [["x", 5]];
    others_within_a_level: "datatable(a: string, b: string, n: long)['x', 'p', 5, 'x', 'q', 3, 'x', 'r', 2, 'y', 's', 1] | top-nested 1 of a by m = sum(n), top-nested 1 of b with others = 'rest' by s = sum(n) | sort by s desc" => [["x", 10, "p", 5], ["x", 10, "rest", 5]];
    found_columns_and_the_rest: "find in (Logins, LoginsOld) where Account == 'ann' | count" => [[2]];
    found_rows_as_bags: "let A = view() { print a = 1, b = 'x' }; let B = view() { print a = 1, c = 2 }; find in (A, B) where a == 1 project pack_all() | project pack_" => [[{"a": 1, "b": "x"}], [{"a": 1, "c": 2}]];
    found_columns_smartly: "let A = view() { print a = 1, b = 'x', d = 1 }; let B = view() { print a = 1, c = 2, e = 2 }; find in (A, B) where a == 1 or c == 5 | project-away source_" => [[1, null, {"b": "x", "d": 1}], [1, 2, {"e": 2}]];
}

#[test]
fn several_results_are_refused() {
    for (query, wanted) in [
        ("print a = 1, b = 2 | facet by a, b", "`facet` with 2 results is not executed"),
        ("print a = 1 | fork (count) (take 1)", "`fork` with 2 results is not executed"),
        ("print a = 1 | facet by c", "unknown column `c`"),
        ("range x from 1 to 100 step 1 | partition by x (as P | take 1)", "has 100 values"),
        ("print a = 1 | evaluate basket(2.0)", "the threshold of `basket` lies between 0.015 and 1"),
        ("print a = 'x' | evaluate basket(0.5, a)", "weights are numbers"),
        ("print a = 1 | evaluate diffpatterns(b, '1', '2')", "unknown column `b`"),
        ("print a = 1 | evaluate rolling_percentile(a, 500, a, 1, 3)", "a percentile lies between 0 and 100"),
        ("print a = 1 | evaluate sequence_detect(a, 1, 1, a)", "at least one condition"),
        ("print a = 'x' | reduce by a with threshold = 5", "lies between 0 and 1"),
        (
            "print a = 1 | evaluate active_users_count(a, a, 1, 2, 3, 4, 5, 6)",
            "plug-in `active_users_count` is not executed",
        ),
    ] {
        let shown = error(query);
        assert!(shown.contains(wanted), "{query}\n{shown}");
    }
}
