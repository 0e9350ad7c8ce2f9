//! One case per rule of the operators that make tables of tables.

mod common;

use common::{error, rows};
use serde_json::json;

macro_rules! cases {
    ($($name:ident: $query:expr => $rows:tt;)*) => {
        $(#[test] fn $name() { assert_eq!(rows($query), json!($rows), "{}", $query); })*
    };
}

cases! {
    mv_apply_aggregates_per_row: "datatable(k:string, d:dynamic)['a', dynamic([1, 2]), 'b', dynamic([5])] | mv-apply e = d to typeof(long) on (summarize s = sum(e)) | project k, s" => [["a", 3], ["b", 5]];
    mv_apply_takes_the_best_of_each_row: "datatable(k:string, d:dynamic)['a', dynamic([1, 9, 4]), 'b', dynamic([5, 2])] | mv-apply e = d to typeof(long) on (top 1 by e) | project k, e" => [["a", 9], ["b", 5]];
    mv_apply_drops_rows_without_elements: "datatable(k:string, d:dynamic)['a', dynamic([]), 'b', dynamic([2])] | mv-apply e = d on (summarize n = count()) | project k, n" => [["b", 1]];
    mv_apply_sees_the_other_columns: "datatable(k:long, d:dynamic)[2, dynamic([1, 2, 3])] | mv-apply e = d to typeof(long) on (where e >= k | project twice = e * 2) | project k, twice" => [[2, 4], [2, 6]];
    mv_apply_numbers_elements: "print d = dynamic(['x', 'y']) | mv-apply with_itemindex = i e = d to typeof(string) on (where i == 1 | project e)" => [[["x", "y"], "y"]];
    mv_apply_replaces_the_array: "print k = 1, d = dynamic([7, 8]) | mv-apply d to typeof(long) on (where d > 7)" => [[1, 8]];
    take_in_mv_apply_counts_per_row: "datatable(d:dynamic)[dynamic([1, 2]), dynamic([3, 4])] | mv-apply e = d to typeof(long) on (take 1) | project e" => [[1], [3]];
    series_have_no_holes: "datatable(t:long, v:long)[1, 10, 3, 30] | make-series s = sum(v) on t from 0 to 4 step 1" => [[[0, 10, 0, 30], [0, 1, 2, 3]]];
    the_end_of_a_series_is_not_part_of_it: "datatable(t:long)[0, 1, 2] | make-series n = count() on t from 0 to 2 step 1 | project n" => [[[1, 1]]];
    series_start_where_asked: "datatable(t:long)[5, 6, 9] | make-series n = count() on t from 5 to 10 step 2 | project n, t" => [[[2, 0, 1], [5, 7, 9]]];
    series_fill_with_the_default: "datatable(t:long, v:real)[0, 1.5] | make-series m = avg(v) default = -1.0 on t from 0 to 3 step 1 | project m" => [[[1.5, -1.0, -1.0]]];
    series_by_key: "datatable(k:string, t:long)['a', 0, 'b', 1] | make-series n = count() on t from 0 to 2 step 1 by k | project k, n" => [["a", [1, 0]], ["b", [0, 1]]];
    series_of_nothing_are_no_rows: "datatable(t:long)[] | make-series n = count() on t from 0 to 3 step 1 | count" => [[0]];
    nonempty_series_of_nothing_are_defaults: "datatable(t:long)[] | make-series kind=nonempty n = count() on t from 0 to 3 step 1 | project n" => [[[0, 0, 0]]];
    series_without_bounds_span_the_data: "datatable(t:long)[3, 6] | make-series n = count() on t step 2 | project n, t" => [[[1, 0, 1], [2, 4, 6]]];
    prev_and_next_look_at_neighbours: "range x from 1 to 3 step 1 | extend p = prev(x), n = next(x, 1, -1)" => [[1, null, 2], [2, 1, 3], [3, 2, -1]];
    windows_follow_the_sort: "datatable(x:long)[2, 1, 3] | sort by x asc | extend n = row_number(), s = row_cumsum(x)" => [[1, 1, 1], [2, 2, 3], [3, 3, 6]];
    serialize_orders_its_own_windows: "datatable(x:long)[5, 7] | serialize n = row_number(10)" => [[5, 10], [7, 11]];
    sums_restart: "range x from 1 to 4 step 1 | extend s = row_cumsum(x, x == 3)" => [[1, 1], [2, 3], [3, 3], [4, 7]];
    windows_nest: "range x from 1 to 3 step 1 | extend d = x - prev(row_cumsum(x), 1, 0)" => [[1, 1], [2, 1], [3, 0]];
    filters_do_not_move_past_windows: "range x from 1 to 4 step 1 | extend n = row_number() | where x > 2 | project n" => [[3], [4]];
    ranks_share: "datatable(s:string)['a', 'a', 'b'] | serialize d = row_rank_dense(s), m = row_rank_min(s)" => [["a", 1, 1], ["a", 1, 1], ["b", 2, 3]];
    sessions_end_at_their_limits: "datatable(t:datetime)[datetime(2020-01-01 00:00), datetime(2020-01-01 00:04), datetime(2020-01-01 00:09)] | serialize s = row_window_session(t, 1h, 5m) | summarize n = count() by s | project n" => [[2], [1]];
    partitions_run_on_their_own: "datatable(k:string, v:long)['a', 1, 'b', 5, 'a', 3] | partition by k (top 1 by v) | project k, v | sort by k asc" => [["a", 3], ["b", 5]];
    bags_become_columns_in_name_order: "datatable(k:long, d:dynamic)[1, dynamic({'b': 2, 'a': 'x'}), 2, dynamic({'b': 3})] | evaluate bag_unpack(d)" => [[1, "x", 2], [2, "", 3]];
    unpacked_values_of_several_types_stay_dynamic: "datatable(d:dynamic)[dynamic({'n': 1}), dynamic({'n': 'x'})] | evaluate bag_unpack(d) | project gettype(n)" => [["long"], ["string"]];
    unpacked_moments_are_moments: "print t = datetime(2020-01-02) | project d = bag_pack('t', t) | evaluate bag_unpack(d) | project y = getyear(t)" => [[2020]];
    arrays_are_sorted_together: "print a = dynamic([2, 1]), b = dynamic(['x', 'y']) | project array_sort_asc(a, b)" => [[[1, 2], ["y", "x"]]];
    statistics_of_series_are_columns: "print s = dynamic([1, 2, 3]) | extend (least, at) = series_stats(s) | project least, at, series_stats_s_max" => [[1.0, 0, 3.0]];
    unpacking_may_keep_the_source: "print k = 1, d = dynamic({'k': 2}) | evaluate bag_unpack(d, columnsConflict='keep_source')" => [[1]];
    unpacking_may_prefix: "print k = 1, d = dynamic({'k': 2}) | evaluate bag_unpack(d, 'p_') | project k, p_k" => [[1, 2]];
    pivot_spreads_values: "datatable(u:string, c:string)['a', 'x', 'a', 'y', 'b', 'x'] | evaluate pivot(c, count(), u) | sort by u asc" => [["a", 1, 1], ["b", 1, 0]];
    narrow_gives_a_row_per_cell: "print a = 1, b = 'x' | evaluate narrow()" => [[0, "a", "1"], [0, "b", "x"]];
    lookups_find_the_narrowest_range: "let r = datatable(net:string, n:string)['10.0.0.0/8', 'wide', '10.1.0.0/16', 'near']; datatable(ip:string)['10.1.2.3', '9.9.9.9'] | evaluate ipv4_lookup(r, ip, net) | project ip, n" => [["10.1.2.3", "near"]];
    lookups_may_keep_unmatched: "let r = datatable(net:string)['10.0.0.0/8']; datatable(ip:string)['9.9.9.9'] | evaluate ipv4_lookup(r, ip, net, return_unmatched = true)" => [["9.9.9.9", ""]];
    pairs_become_columns: "print s = 'a:1, b: two ,c:3' | parse-kv s as (b:string, a:long, x:long) with (pair_delimiter=',', kv_delimiter=':') | project a, b, x" => [[1, "two", null]];
    quoted_values_hold_delimiters: "print s = 'a=\"x y\" b=2' | parse-kv s as (a:string, b:long) with (pair_delimiter=' ', kv_delimiter='=', quote='\"') | project a, b" => [["x y", 2]];
    greedy_values_run_to_the_next_key: "print s = 'n=Ann B c=3' | parse-kv s as (n:string, c:long) with (pair_delimiter=' ', kv_delimiter='=', greedy=true) | project n, c" => [["Ann B", 3]];
    search_looks_in_every_column: "datatable(a:string, n:long)['x foo', 1, 'bar', 2] | search 'FOO' | project a" => [["x foo"]];
    search_terms_take_stars: "datatable(a:string)['barfoo', 'foobar', 'x'] | search 'foo*' or '*bar' | project a" => [["foobar"]];
    search_in_one_column: "datatable(a:string, b:string)['x', 'y', 'y', 'x'] | search a:'x' | project b" => [["y"]];
    search_names_the_table: "search in (Logins) 'ann' | project $table, Account" => [["Logins", "ann"]];
    find_reads_several_tables: "find in (Logins, LoginsOld) where Account == 'ann' project Account" => [["Logins", "ann"], ["LoginsOld", "ann"]];
    top_nested_ranks_in_groups: "datatable(a:string, b:string, n:long)['x', 'p', 5, 'x', 'q', 3, 'y', 'r', 1] | top-nested 1 of a by s = sum(n), top-nested 1 of b by t = sum(n)" => [["x", 8, "p", 5]];
    top_hitters_count: "datatable(a:string)['x', 'y', 'x'] | top-hitters 1 of a" => [["x", 2]];
    samples_are_distinct: "datatable(a:long)[1, 1, 2] | sample-distinct 5 of a | count" => [[2]];
    patterns_choose_by_value: "declare pattern p = (a:string)[b:string] { ('x').['u'] = { print v = 1 }; ('x').['w'] = { print v = 2 }; }; p('x').w" => [[2]];
    parameters_have_defaults: "declare query_parameters(limit:long = 2); range x from 1 to 5 step 1 | where x <= limit | count" => [[2]];
    wildcards_find_views: "let V_1 = view () { print x = 1 }; let V_2 = view () { print x = 2 }; let W = view () { print x = 3 }; union V_* | summarize sum(x)" => [[3]];
    names_of_columns_are_a_value: "let T = datatable(a:string, b:long)[]; print column_names_of(T)" => [[["a", "b"]]];
    columns_by_computed_names: "print a = 1, b = 2, ab = 3 | project-by-names dynamic(['b']), 'a*'" => [[2, 1, 3]];
    clashing_types_stand_together: "union (datatable(a:long, z:long)[1, 2]), (datatable(a:string)['x']) | getschema | project ColumnName" => [["a_long"], ["a_string"], ["z"]];
    constants_alone_are_given_for_every_row: "range x from 1 to 3 step 1 | project a = 1, b = 'y' | count" => [[3]];
    no_rows_have_no_constants: "range x from 1 to 3 step 1 | where x > 5 | project a = 1 | count" => [[0]];
    innerunique_filters_before_it_picks: "datatable(k:long, v:string)[1, 'a', 1, 'b'] | join kind=innerunique (datatable(k:long)[1]) on k | where v == 'b' | count" => [[1]];
}

#[test]
fn refusals_name_the_operator() {
    for (query, wanted) in [
        ("print a = 1 | make-graph a --> a", "operator `make-graph` is not executed"),
        ("print a = 1 | evaluate bag_unpak(a)", "did you mean `bag_unpack`?"),
        ("print a = 1 | extend b = prev(a)", "`prev` needs rows in a defined order"),
        ("cluster('x').database('y').T | count", "a table of another cluster"),
        (".show tables", "statement `.show` is not executed"),
        ("externaldata(a:string)['http://x/y.csv']", "the host opens no addresses"),
        ("print a = 1 | where a = 1", "compare with `==`"),
        ("declare query_parameters(a:long); print a", "the query parameter `a` has no value"),
        ("print k = 1, d = dynamic({'k': 2}) | evaluate bag_unpack(d)", "would give a second column `k`"),
    ] {
        let shown = error(query);
        assert!(shown.contains(wanted), "{query}\n{shown}");
    }
}
