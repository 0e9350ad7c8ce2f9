//! Rows as trees.

use std::collections::HashMap;

use super::ProcessColumns;
use crate::{ChartData, PlotError, Values, number, pick};

/// A process: logged, or only known from its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// `None`: nothing was logged of its creation.
    pub(super) row: Option<usize>,
    pub(super) host: String,
    pub(super) process: String,
    /// As the log spells it.
    pub(super) id: String,
    pub(super) time: Option<i64>,
    pub(super) command_line: String,
    pub(super) user: String,
    pub(super) is_anomaly: bool,
    pub(super) children: Vec<usize>,
    has_parent: bool,
}

/// A line of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) node: usize,
    pub(super) depth: usize,
    /// For each depth above whether its branch goes on below this line.
    pub(super) goes_on: Vec<bool>,
    pub(super) is_last: bool,
}

pub(super) struct Forest {
    pub(super) nodes: Vec<Node>,
    pub(super) notes: Vec<String>,
    pub(super) hosts: usize,
    /// How many processes do not fit.
    roots: Vec<usize>,
}

/// Where the values of a log are.
struct Columns<'d> {
    data: &'d ChartData,
    time: &'d [Option<i64>],
    process: usize,
    id: usize,
    parent_id: usize,
    parent_process: Option<usize>,
    parent_time: Option<&'d [Option<i64>]>,
    grandparent: Option<(usize, usize)>,
    command_line: Option<usize>,
    user: Option<usize>,
    host: Option<usize>,
    event: Option<(usize, String)>,
}

impl<'d> Columns<'d> {
    fn of(data: &'d ChartData, names: &ProcessColumns) -> Result<Columns<'d>, PlotError> {
        let at = |name: &str| data.index_of(name);
        let may = |name: &Option<String>| name.as_ref().map(|name| at(name)).transpose();
        let parent_time = may(&names.parent_time)?;
        Ok(Columns {
            data,
            time: pick::times(data, at(&names.time)?)?,
            process: at(&names.process)?,
            id: at(&names.id)?,
            parent_id: at(&names.parent_id)?,
            parent_process: may(&names.parent_process)?,
            // A log that has only text here says less than one without the column, not something wrong.
            parent_time: parent_time.and_then(|column| pick::times(data, column).ok()),
            grandparent: may(&names.grandparent_process)?.zip(may(&names.grandparent_id)?),
            command_line: may(&names.command_line)?,
            user: may(&names.user)?,
            host: may(&names.host)?,
            event: match &names.event {
                Some((column, value)) => Some((at(column)?, value.clone())),
                None => None,
            },
        })
    }

    /// The text of a cell; empty if it is missing or empty.
    fn text(&self, column: usize, row: usize) -> String {
        match &self.data.columns()[column].values {
            Values::Texts(values) if values[row] == "(null)" => String::new(),
            values => values.shown(row).unwrap_or_default(),
        }
    }

    fn may(&self, column: Option<usize>, row: usize) -> String {
        column.map_or(String::new(), |column| self.text(column, row))
    }

    fn is_creation(&self, row: usize) -> bool {
        self.event.as_ref().is_none_or(|(column, value)| self.text(*column, row) == *value)
    }
}

impl Forest {
    pub(super) fn of(data: &ChartData, names: &ProcessColumns, marks: &[bool]) -> Result<Forest, PlotError> {
        let columns = Columns::of(data, names)?;
        let mut rows: Vec<usize> = (0..data.rows()).filter(|row| columns.is_creation(*row)).collect();
        let others = data.rows() - rows.len();
        let before = rows.len();
        rows.retain(|row| columns.time[*row].is_some() && !columns.text(columns.id, *row).is_empty());
        let incomplete = before - rows.len();
        rows.sort_by_key(|row| columns.time[*row]);

        let mut builder = Builder { columns, nodes: Vec::new(), by_id: HashMap::new(), unseen: HashMap::new() };
        let logged = rows.iter().filter(|row| builder.add(**row, marks[**row])).count();
        let twice = rows.len() - logged;
        let nodes = builder.nodes;
        let mut hosts: Vec<&str> = nodes.iter().map(|node| node.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let hosts = hosts.len();
        let mut notes = Vec::new();
        let word = if logged == 1 { "process" } else { "processes" };
        notes.push(match hosts {
            0 | 1 => format!("{} {word}.", number::count(logged)),
            _ => format!("{} {word} on {} hosts.", number::count(logged), number::count(hosts)),
        });
        let mut say = |count: usize, what: &str| {
            if count > 0 {
                notes.push(format!("Not shown: {} {what}.", number::count(count)));
            }
        };
        say(others, "rows of other events");
        say(incomplete, "without a time or an id");
        say(twice, "that say the same as another");
        let roots = (0..nodes.len()).filter(|node| !nodes[*node].has_parent).collect();
        let mut forest = Forest { nodes, notes, hosts, roots };
        forest.sort_roots();
        Ok(forest)
    }

    /// Trees with anomalies first, then the largest, then the earliest.
    fn sort_roots(&mut self) {
        let mut weights = vec![(0_usize, 0_usize); self.nodes.len()];
        // Unseen parents come after their children, so that order of nodes is no order of the tree: walk it.
        for root in self.roots.clone() {
            let mut stack = vec![root];
            let (mut anomalies, mut size) = (0, 0);
            while let Some(node) = stack.pop() {
                anomalies += usize::from(self.nodes[node].is_anomaly);
                size += 1;
                stack.extend(&self.nodes[node].children);
            }
            weights[root] = (anomalies, size);
        }
        self.roots.sort_by_key(|root| std::cmp::Reverse(weights[*root]));
    }

    /// The first `most` lines of the trees, and a note on the rest.
    pub(super) fn rows(&self, most: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        // Deep trees would overflow a recursive walk.
        let mut stack: Vec<Row> = Vec::new();
        for root in &self.roots {
            stack.push(Row { node: *root, depth: 0, goes_on: Vec::new(), is_last: true });
            while let Some(row) = stack.pop() {
                if rows.len() >= most {
                    return rows;
                }
                let children = &self.nodes[row.node].children;
                for (index, child) in children.iter().enumerate().rev() {
                    let mut goes_on = row.goes_on.clone();
                    if row.depth > 0 {
                        goes_on.push(!row.is_last);
                    }
                    let is_last = index + 1 == children.len();
                    stack.push(Row { node: *child, depth: row.depth + 1, goes_on, is_last });
                }
                rows.push(row);
            }
        }
        rows
    }
}

struct Builder<'d> {
    columns: Columns<'d>,
    nodes: Vec<Node>,
    /// Host and id to the processes that had it, by time.
    by_id: HashMap<(String, u64), Vec<usize>>,
    /// Host, id and file of parents that nothing was logged of.
    unseen: HashMap<(String, u64, String), usize>,
}

impl Builder<'_> {
    /// Adds the process of a row; rows must come in order of time. `false`: it is there already.
    fn add(&mut self, row: usize, is_anomaly: bool) -> bool {
        let columns = &self.columns;
        let node = Node {
            row: Some(row),
            host: columns.may(columns.host, row),
            process: columns.text(columns.process, row),
            id: columns.text(columns.id, row),
            time: columns.time[row],
            command_line: columns.may(columns.command_line, row),
            user: columns.may(columns.user, row),
            is_anomaly,
            children: Vec::new(),
            has_parent: false,
        };
        let key = (node.host.to_lowercase(), id_of(&node.id));
        let same = |other: &Node| other.time == node.time && other.process.eq_ignore_ascii_case(&node.process);
        let twin = self.by_id.get(&key).into_iter().flatten().find(|other| same(&self.nodes[**other])).copied();
        if let Some(twin) = twin {
            self.nodes[twin].is_anomaly |= is_anomaly;
            return false;
        }
        let parent = self.parent(row, &node);
        let index = self.nodes.len();
        self.nodes.push(node);
        if let Some(parent) = parent {
            self.link(parent, index);
        }
        self.by_id.entry(key).or_default().push(index);
        true
    }

    fn link(&mut self, parent: usize, child: usize) {
        self.nodes[parent].children.push(child);
        self.nodes[child].has_parent = true;
    }

    /// The logged parent, or one made of what the row says.
    fn parent(&mut self, row: usize, child: &Node) -> Option<usize> {
        let id = self.columns.text(self.columns.parent_id, row);
        if id.is_empty() {
            return None;
        }
        let name = self.columns.may(self.columns.parent_process, row);
        let host = child.host.to_lowercase();
        let fits = |node: &Node| name.is_empty() || base_name(&node.process).eq_ignore_ascii_case(base_name(&name));
        let candidates = self.by_id.get(&(host.clone(), id_of(&id)));
        let born = self.columns.parent_time.and_then(|times| times[row]);
        let at_birth =
            |node: &Node| born.is_none_or(|born| node.time.is_some_and(|time| time.abs_diff(born) < 1_000_000));
        let found = candidates.into_iter().flatten().rev().find(|node| {
            let node = &self.nodes[**node];
            fits(node) && at_birth(node)
        });
        if let Some(found) = found {
            return Some(*found);
        }
        let key = (host, id_of(&id), base_name(&name).to_lowercase());
        if let Some(known) = self.unseen.get(&key) {
            return Some(*known);
        }
        let parent = self.unlogged(child.host.clone(), name, id, born);
        self.unseen.insert(key, parent);
        if let Some((process, id)) = self.columns.grandparent {
            let (process, id) = (self.columns.text(process, row), self.columns.text(id, row));
            if !process.is_empty() && !id.is_empty() {
                let grandparent = self.grandparent(&child.host, process, id);
                if grandparent != parent {
                    self.link(grandparent, parent);
                }
            }
        }
        Some(parent)
    }

    /// The parent of a parent that was not logged.
    fn grandparent(&mut self, host: &str, process: String, id: String) -> usize {
        let lower = host.to_lowercase();
        let logged = self
            .by_id
            .get(&(lower.clone(), id_of(&id)))
            .into_iter()
            .flatten()
            .rev()
            .find(|node| base_name(&self.nodes[**node].process).eq_ignore_ascii_case(base_name(&process)));
        if let Some(logged) = logged {
            return *logged;
        }
        let key = (lower, id_of(&id), base_name(&process).to_lowercase());
        // A known one may hang below the very parent it is asked for; a root cannot.
        match self.unseen.get(&key).filter(|known| !self.nodes[**known].has_parent) {
            Some(known) => *known,
            None => {
                let made = self.unlogged(host.to_owned(), process, id, None);
                self.unseen.insert(key, made);
                made
            }
        }
    }

    fn unlogged(&mut self, host: String, process: String, id: String, time: Option<i64>) -> usize {
        self.nodes.push(Node {
            row: None,
            host,
            process,
            id,
            time,
            command_line: String::new(),
            user: String::new(),
            is_anomaly: false,
            children: Vec::new(),
            has_parent: false,
        });
        self.nodes.len() - 1
    }
}

/// `0x1a4` and `420` are one id; text that is no number stands for itself.
fn id_of(text: &str) -> u64 {
    let text = text.trim();
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hexadecimal {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number.unwrap_or_else(|| {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        text.to_lowercase().hash(&mut hasher);
        hasher.finish() | 1 << 63
    })
}

/// The file of a path of Windows or Linux.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    /// host, second, process, id, parent's process, parent's id
    type Logged<'t> = (&'t str, i64, &'t str, &'t str, &'t str, &'t str);

    fn forest(rows: &[Logged<'_>]) -> Forest {
        let texts = |name: &str, of: fn(&Logged<'_>) -> String| Column {
            name: name.into(),
            values: Values::Texts(rows.iter().map(of).collect()),
        };
        let times = rows.iter().map(|row| Some(row.1 * 1_000_000)).collect();
        let data = ChartData::new(vec![
            Column { name: "TimeGenerated".into(), values: Values::Times(times) },
            texts("Computer", |row| row.0.into()),
            texts("NewProcessName", |row| row.2.into()),
            texts("NewProcessId", |row| row.3.into()),
            texts("ParentProcessName", |row| row.4.into()),
            texts("ProcessId", |row| row.5.into()),
        ]);
        let data = data.unwrap();
        let columns = ProcessColumns::infer(&data).unwrap();
        Forest::of(&data, &columns, &vec![false; rows.len()]).unwrap()
    }

    fn shown(forest: &Forest) -> Vec<String> {
        let line = |row: &Row| {
            let node = &forest.nodes[row.node];
            let mark = if node.row.is_none() { "?" } else { "" };
            format!("{}{}{mark} {}", "  ".repeat(row.depth), base_name(&node.process), node.host)
        };
        forest.rows(100).iter().map(line).collect()
    }

    #[test]
    fn hexadecimal_and_decimal_ids_meet_and_unlogged_parents_are_made() {
        let forest = forest(&[
            ("a", 1, r"C:\Windows\explorer.exe", "0x10", r"C:\userinit.exe", "0x1"),
            ("a", 2, r"C:\cmd.exe", "0x20", r"C:\Windows\Explorer.EXE", "16"),
            ("a", 3, r"C:\whoami.exe", "0x30", r"C:\cmd.exe", "0x20"),
        ]);
        assert_eq!(shown(&forest), ["userinit.exe? a", "  explorer.exe a", "    cmd.exe a", "      whoami.exe a"]);
    }

    #[test]
    fn ids_of_two_hosts_are_two_processes() {
        let forest = forest(&[
            ("a", 1, "init", "5", "", "1"),
            ("b", 2, "init", "5", "", "1"),
            ("b", 3, "bash", "6", "init", "5"),
        ]);
        let expected = ["init? b", "  init b", "    bash b", "init? a", "  init a"];
        // The made parents have no name here.
        let lines: Vec<String> =
            shown(&forest).into_iter().map(|line| line.replace("? ", "init? ").replace("initinit", "init")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_id_that_is_used_again_belongs_to_the_latest_process_before() {
        let forest = forest(&[
            ("a", 1, "cmd.exe", "7", "x.exe", "1"),
            ("a", 5, "cmd.exe", "7", "y.exe", "2"),
            ("a", 6, "calc.exe", "9", "cmd.exe", "7"),
        ]);
        assert_eq!(shown(&forest)[..3], ["y.exe? a", "  cmd.exe a", "    calc.exe a"]);
    }

    #[test]
    fn a_process_that_is_its_own_parent_ends() {
        let forest = forest(&[("a", 1, "loop", "1", "loop", "1"), ("a", 1, "loop", "1", "loop", "1")]);
        assert_eq!(shown(&forest), ["loop? a", "  loop a"]);
        assert!(forest.notes.iter().any(|note| note.contains("1 that say the same")), "{:?}", forest.notes);
    }
}
