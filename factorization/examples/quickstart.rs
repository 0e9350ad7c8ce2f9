//! Three departments keep to their own files; one accountant opens the source code.
//!
//! `cargo run -p huntbook-factorization --example quickstart`

use huntbook_factorization::{AccessAnomaly, AccessColumns, Error};
use std::ops::ControlFlow;

fn main() -> Result<(), Error> {
    // (user, resource, how often): every user of a department opens two thirds of its resources, and everyone
    // opens the wiki.
    let mut rows: Vec<(String, String, f64)> = Vec::new();
    for (dept, users, resources) in [("sales", 8, 12), ("finance", 6, 9), ("dev", 10, 15)] {
        for u in 0..users {
            let user = format!("{dept}-user-{u}");
            rows.push((user.clone(), "wiki".to_owned(), 3.0));
            for r in (0..resources).filter(|r| (u + r) % 3 != 0) {
                let count = 1 + (u * 5 + r * 3) % 7;
                rows.push((user.clone(), format!("{dept}-file-{r}"), f64::from(count)));
            }
        }
    }
    let tenant = vec![Some("contoso"); rows.len()];
    let user: Vec<Option<&str>> = rows.iter().map(|r| Some(&*r.0)).collect();
    let res: Vec<Option<&str>> = rows.iter().map(|r| Some(&*r.1)).collect();
    let likelihood: Vec<Option<f64>> = rows.iter().map(|r| Some(r.2)).collect();

    let progress = |done: usize, of: usize, loss: f64| {
        if done.is_multiple_of(25) {
            println!("iteration {done}/{of}: loss {loss:.3}");
        }
        ControlFlow::Continue(()) // Break(()) would cancel
    };
    let training = AccessColumns { tenant: &tenant, user: &user, res: &res };
    let model = AccessAnomaly::new().rank(5).seed(42).calibration_folds(5).fit(training, &likelihood, &progress)?;
    let s = model.summary();
    println!("learned from {} accesses of {} users to {} resources", s.rows, s.users, s.resources);

    let to_check = [
        ("finance-user-1", "finance-file-2", "own department, not seen before"),
        ("finance-user-1", "wiki", "everyone does"),
        ("finance-user-1", "dev-file-7", "somebody else's source code"),
        ("intern", "wiki", "unknown user"),
    ];
    let scored = model.score_all(AccessColumns {
        tenant: &to_check.map(|_| Some("contoso")),
        user: &to_check.map(|c| Some(c.0)),
        res: &to_check.map(|c| Some(c.1)),
    })?;
    for (i, (user, res, what)) in to_check.iter().enumerate() {
        let number = |value: Option<f64>| value.map_or("unknown".to_owned(), |v| format!("{v:7.3}"));
        println!("{:>8}  p {:>8}  {user} -> {res} ({what})", number(scored.score[i]), number(scored.p_value[i]));
    }
    println!("\n{}", model.explain("contoso", "finance-user-1", "dev-file-7"));
    Ok(())
}
