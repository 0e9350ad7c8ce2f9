//! Times a fit and a scoring pass on generated data: equal departments, skewed activity and popularity.
//!
//! `cargo run --release -p huntbook-factorization --example scale -- [users] [resources] [rows] [iterations] [rank]`

use huntbook_factorization::{AccessAnomaly, AccessColumns, Error};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<usize>());
    let mut next = |default| arguments.next().and_then(Result::ok).unwrap_or(default);
    let (users, resources, rows) = (next(10_000), next(2_000), next(500_000));
    let (iterations, rank) = (next(25), next(10));
    const DEPARTMENTS: usize = 20;

    let names = |what: &str, n: usize| -> Vec<String> { (0..n).map(|i| format!("{what}_{i}")).collect() };
    let (user_names, res_names) = (names("user", users), names("res", resources));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut skewed = |n: usize| ((rng.random::<f64>().powi(2)) * n as f64) as usize;
    let (mut user, mut res, mut likelihood) = (vec![], vec![], vec![]);
    for row in 0..rows {
        let u = skewed(users);
        // One access in fifty goes to another department.
        let department = if row % 50 == 0 { row / 50 } else { u } % DEPARTMENTS;
        let r = skewed(resources / DEPARTMENTS) * DEPARTMENTS + department;
        user.push(Some(&*user_names[u]));
        res.push(Some(&*res_names[r]));
        likelihood.push(Some((row * 7 % 100) as f64));
    }
    let tenant = vec![Some("t"); rows];
    let accesses = AccessColumns { tenant: &tenant, user: &user, res: &res };

    let started = Instant::now();
    let first = Mutex::new(None);
    let observer = |_: usize, _: usize, _: f64| {
        first.lock().map(|mut f| f.get_or_insert_with(Instant::now).to_owned()).ok();
        ControlFlow::Continue(())
    };
    let detector = AccessAnomaly::new().rank(rank).max_iter(iterations);
    let model = detector.fit(accesses, &likelihood, &observer)?;
    let fitted = started.elapsed();
    println!("fit: {fitted:.2?}");
    if let Ok(Some(first)) = first.into_inner()
        && iterations > 1
    {
        let rest = started + fitted - first;
        println!("per iteration (with the final statistics): {:.2?}", rest / (iterations - 1) as u32);
    }
    let started = Instant::now();
    let scores = model.score(accesses)?;
    println!("score {} rows: {:.2?}", scores.len(), started.elapsed());
    println!("peak memory, with the generated input: {}", peak_memory().as_deref().unwrap_or("not known here"));
    println!("{:?}", model.summary());
    Ok(())
}

/// The most memory this process ever had, as Linux tells it.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|size| size.trim().to_owned())
}
