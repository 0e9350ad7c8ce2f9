//! Why an access scored as it did, in words.

use super::{AccessAnomalyModel, Side};
use std::fmt;

/// Users or resources compared in an explanation.
const SHOWN: usize = 10;

/// A user or resource that is like another.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Cosine of the factors: 1 is the same habits, 0 is nothing in common.
    pub similarity: f64,
    /// For a user: whether it accessed the resource in training. For a resource: always true, as only resources that
    /// the user accessed are listed.
    pub accessed: bool,
}

/// Why an access scored as it did. [`Display`](fmt::Display) puts it in words for a ticket.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The tenant.
    pub tenant: String,
    /// Who.
    pub user: String,
    /// What was accessed.
    pub res: String,
    /// The score.
    pub score: Option<f64>,
    /// The p-value, with calibration.
    pub p_value: Option<f64>,
    /// Whether the user was in training (and in the history, if there is one).
    pub known_user: bool,
    /// Whether the resource was.
    pub known_res: bool,
    /// Whether the history has exactly this access.
    pub in_history: bool,
    /// Whether training has exactly this access.
    pub in_training: bool,
    /// Users who accessed the resource in training, of all users of the tenant.
    pub users_of_res: (usize, usize),
    /// Users with the habits nearest to this user's, nearest first.
    pub peers: Vec<Neighbour>,
    /// Users nearest to this user among those who accessed the resource.
    pub nearest_users_of_res: Vec<Neighbour>,
    /// Resources that the user accessed in training and that are most like this one: what speaks for the access.
    pub like_this: Vec<Neighbour>,
    /// What the user would be expected to access: highest affinity first.
    pub usual: Vec<String>,
}

impl AccessAnomalyModel {
    /// What the score of an access rests on: the nearest peers, whether they access the resource, and the user's
    /// resources that are like it. A model that was not fitted here (no training accesses) has only the peers.
    /// `O((users + resources)·rank)` of the tenant.
    pub fn explain(&self, tenant: &str, user: &str, res: &str) -> Explanation {
        let score = self.score_one(tenant, user, res);
        let mut explanation = Explanation {
            tenant: tenant.to_owned(),
            user: user.to_owned(),
            res: res.to_owned(),
            score,
            p_value: score.and_then(|score| self.p_value_of(tenant, user, res, score)),
            known_user: false,
            known_res: false,
            in_history: self.is_known_fine(tenant, user, res),
            in_training: false,
            users_of_res: (0, 0),
            peers: Vec::new(),
            nearest_users_of_res: Vec::new(),
            like_this: Vec::new(),
            usual: Vec::new(),
        };
        let Some(&tenant) = self.tenants.get(tenant) else { return explanation };
        let tenant = tenant as usize;
        let (users, resources) = (&self.data.users, &self.data.resources);
        let user_id = self.users.get(tenant, user).map(|id| id as usize);
        let res_id = self.resources.get(tenant, res).map(|id| id as usize);
        explanation.known_user = user_id.is_some_and(|id| users.components[id].is_some());
        explanation.known_res = res_id.is_some_and(|id| resources.components[id].is_some());

        let accessed = |user: usize, res: usize| {
            self.data.accesses.as_ref().is_some_and(|a| a.of_user(user).binary_search(&(res as u32)).is_ok())
        };
        if let Some(res) = res_id {
            let who = users.names.range(tenant).filter(|&u| accessed(u, res)).count();
            explanation.users_of_res = (who, users.names.range(tenant).len());
        }
        if let Some(user) = user_id {
            let others = users.names.range(tenant).filter(|&other| other != user);
            let has = |other: usize| res_id.is_some_and(|res| accessed(other, res));
            let mut peers = self.nearest(users, user, others, has);
            explanation.nearest_users_of_res = peers.iter().filter(|p| p.accessed).take(SHOWN).cloned().collect();
            peers.truncate(SHOWN);
            explanation.peers = peers;
            explanation.usual = self.usual(tenant, user);
        }
        if let (Some(user), Some(res), Some(accesses)) = (user_id, res_id, &self.data.accesses) {
            explanation.in_training = accessed(user, res);
            let own = accesses.of_user(user).iter().map(|&r| r as usize).filter(|&r| r != res);
            explanation.like_this = self.nearest(resources, res, own, |_| true);
            explanation.like_this.truncate(SHOWN);
        }
        explanation
    }

    /// Candidates by cosine of the factors, the most similar first.
    fn nearest(
        &self,
        side: &Side,
        of: usize,
        candidates: impl Iterator<Item = usize>,
        accessed: impl Fn(usize) -> bool,
    ) -> Vec<Neighbour> {
        let rank = self.data.summary.rank;
        let dot = |a: usize, b: usize| -> f64 {
            let (a, b) = (self.vector(side, a), self.vector(side, b));
            a[..rank].iter().zip(&b[..rank]).map(|(a, b)| a * b).sum()
        };
        let size = dot(of, of);
        let neighbour = |id: usize| {
            let norm = (size * dot(id, id)).sqrt();
            let similarity = if norm > 0.0 { dot(of, id) / norm } else { 0.0 };
            Neighbour { name: side.names.names[id].to_string(), similarity, accessed: accessed(id) }
        };
        let mut neighbours: Vec<Neighbour> = candidates.map(neighbour).collect();
        neighbours.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.name.cmp(&b.name)));
        neighbours
    }

    fn usual(&self, tenant: usize, user: usize) -> Vec<String> {
        let (users, resources) = (&self.data.users, &self.data.resources);
        let x = self.vector(users, user);
        let score = |r: usize| -> f64 { x.iter().zip(self.vector(resources, r)).map(|(a, b)| a * b).sum() };
        let mut all: Vec<(f64, usize)> = resources.names.range(tenant).map(|r| (score(r), r)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        all.iter().take(SHOWN / 2).map(|&(_, r)| resources.names.names[r].to_string()).collect()
    }
}

fn listed(neighbours: &[Neighbour]) -> String {
    let one = |n: &Neighbour| format!("{} ({:.2})", n.name, n.similarity);
    neighbours.iter().take(SHOWN / 2).map(one).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { user, res, tenant, .. } = self;
        let Some(score) = self.score else {
            let unknown = match (self.known_user, self.known_res) {
                (false, false) => format!("neither {user} nor {res} is"),
                (false, true) => format!("{user} is not"),
                _ => format!("{res} is not"),
            };
            return write!(
                f,
                "{user} -> {res} (tenant {tenant}) has no score: {unknown} known from training, so there is nothing to \
                 compare with."
            );
        };
        if self.in_history {
            return write!(f, "{user} -> {res} (tenant {tenant}) scores 0: the history has exactly this access.");
        }
        if score == f64::INFINITY {
            write!(
                f,
                "{user} -> {res} (tenant {tenant}) scores infinity: no chain of accesses links the part of the company \
                 that {user} works in with that of {res}."
            )?;
        } else {
            let less = if score >= 0.0 { "less" } else { "more" };
            write!(
                f,
                "{user} -> {res} (tenant {tenant}) scores {score:.2}: {:.2} standard deviations {less} expected than the \
                 average access of the training data.",
                score.abs()
            )?;
        }
        if let Some(p) = self.p_value {
            write!(f, " Of unseen but normal accesses, {:.2} % score this high.", 100.0 * p)?;
        }
        if self.in_training {
            write!(f, " {user} did access {res} in training.")?;
        }
        let (who, all) = self.users_of_res;
        if who > 0 {
            write!(f, " {who} of {all} users access {res}")?;
            match self.nearest_users_of_res.is_empty() {
                true => write!(f, ".")?,
                false => write!(f, "; nearest to {user}: {}.", listed(&self.nearest_users_of_res))?,
            }
            let having = self.peers.iter().filter(|p| p.accessed).count();
            write!(f, " Of the {} users most like {user}, {having} do: {}.", self.peers.len(), listed(&self.peers))?;
        } else if !self.peers.is_empty() {
            write!(f, " Users most like {user}: {}.", listed(&self.peers))?;
        }
        if !self.like_this.is_empty() {
            write!(f, " Of what {user} accesses, most like {res}: {}.", listed(&self.like_this))?;
        }
        if !self.usual.is_empty() {
            write!(f, " Expected of {user}: {}.", self.usual.join(", "))?;
        }
        Ok(())
    }
}
