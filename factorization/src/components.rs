//! Connected components of a bipartite graph by union-find.

/// Component of every left and right node of a bipartite graph with the given edges.
///
/// A component is named after its smallest left node, so that names do not depend on the order of the edges;
/// a right node without an edge gets `None`, a left node without an edge is its own component. Near-linear
/// time (`O(edges·α)`), 4 bytes per node: a long chain costs no more than a star.
///
/// # Panics
/// If an edge points outside the graph, or the graph has more than `u32::MAX` nodes.
///
/// ```
/// use huntbook_factorization::components::bipartite_components;
/// let (left, right) = bipartite_components(3, 3, [(0, 1), (2, 1), (1, 0)]);
/// assert_eq!(left, [0, 1, 0]);
/// assert_eq!(right, [Some(1), Some(0), None]);
/// ```
pub fn bipartite_components(
    n_left: usize,
    n_right: usize,
    edges: impl IntoIterator<Item = (u32, u32)>,
) -> (Vec<u32>, Vec<Option<u32>>) {
    let n = n_left + n_right;
    assert!(u32::try_from(n).is_ok(), "more than u32::MAX nodes");
    let mut parent: Vec<u32> = (0..n as u32).collect();
    for (l, r) in edges {
        let (l, r) = (l as usize, r as usize);
        assert!(l < n_left && r < n_right, "edge outside the graph");
        let a = find(&mut parent, l as u32);
        let b = find(&mut parent, (n_left + r) as u32);
        // The smaller id becomes the root: left nodes come first, so a root is the name of its component.
        let (root, child) = if a < b { (a, b) } else { (b, a) };
        parent[child as usize] = root;
    }
    let left = (0..n_left as u32).map(|i| find(&mut parent, i)).collect();
    let right =
        (n_left..n).map(|i| Some(find(&mut parent, i as u32)).filter(|&root| (root as usize) < n_left)).collect();
    (left, right)
}

/// Root of `node`, halving the path on the way.
fn find(parent: &mut [u32], mut node: u32) -> u32 {
    while parent[node as usize] != node {
        let above = parent[parent[node as usize] as usize];
        parent[node as usize] = above;
        node = above;
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_with_branches() {
        // u0-r0-u1-r1-{u2,u3}-r2 and u4-r3
        let edges = [(0, 0), (1, 0), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (4, 3)];
        let expected = (vec![0, 0, 0, 0, 4], vec![Some(0), Some(0), Some(0), Some(4)]);
        assert_eq!(bipartite_components(5, 4, edges), expected);
        let mut reversed = edges;
        reversed.reverse();
        assert_eq!(bipartite_components(5, 4, reversed), expected);
    }

    #[test]
    fn long_path_is_one_component() {
        let n = 200_000;
        let edges = (0..n).flat_map(|i| [(i, i), ((i + 1) % n, i)]);
        let (left, right) = bipartite_components(n as usize, n as usize, edges);
        assert!(left.iter().all(|&c| c == 0) && right.iter().all(|&c| c == Some(0)));
    }
}
