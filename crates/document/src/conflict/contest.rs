//! Who contests whom, without looking at every pair.
//!
//! What contests a change in another chain lies in one piece there, so it is joined to the first of that piece,
//! and the rest of the piece to one another: once for all that join the same neighbours.

use std::collections::BTreeMap;

use super::clocks::Fork;

/// Which acts of one place contest each other where neither knew of the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Unless both are weak: a put is strong, a delete is weak.
    UnlessBothWeak,
    /// A strong one and a weak one: deleting a record against keeping it, adding a member against removing it.
    Opposites,
}

/// One act at one place.
#[derive(Clone, Copy)]
pub(super) struct Point {
    /// Its number in the groups.
    pub(super) n: usize,
    /// Its change.
    pub(super) change: usize,
    pub(super) strong: bool,
}

/// Joins the points that contest each other; they are in history order, one a change, all in this fork.
pub(super) fn join(fork: &Fork, points: &[Point], relation: Relation, groups: &mut Groups) {
    let strong = points.iter().filter(|point| point.strong).count();
    let together = match relation {
        Relation::UnlessBothWeak => points.len(),
        Relation::Opposites => points.len() - strong,
    };
    if strong == 0 || together == 0 || points.len() < 2 {
        return;
    }
    let mut lanes = BTreeMap::<(u32, bool), Lane>::new();
    for point in points {
        let (chain, place) = fork.place(point.change);
        let lane = lanes.entry((chain, point.strong)).or_default();
        lane.points.push((place, *point));
    }
    for lane in lanes.values_mut() {
        lane.joined = vec![0; lane.points.len() + 1];
    }
    for x in points {
        let (own, place) = fork.place(x.change);
        for (&(chain, strong), lane) in &mut lanes {
            let opposed = x.strong != strong || (strong && relation == Relation::UnlessBothWeak);
            if chain == own || !opposed {
                continue;
            }
            let known = fork.known(x.change, chain);
            let from = lane.points.partition_point(|&(place, _)| place <= known);
            let to = lane
                .points
                .partition_point(|(_, y)| fork.known(y.change, own) < place);
            if from < to {
                groups.join(x.n, lane.points[from].1.n);
                lane.joined[from] += 1;
                lane.joined[to - 1] -= 1;
            }
        }
    }
    for lane in lanes.values() {
        let mut joined = 0;
        for (at, pair) in lane.points.windows(2).enumerate() {
            joined += lane.joined[at];
            if joined > 0 {
                groups.join(pair[0].1.n, pair[1].1.n);
            }
        }
    }
}

/// The points of one chain that are strong, or those that are weak.
#[derive(Default)]
struct Lane {
    points: Vec<(u32, Point)>,
    /// The differences of: how many join a point to the next.
    joined: Vec<i64>,
}

/// Groups of numbers, joined in any order.
pub(super) struct Groups {
    parent: Vec<usize>,
}

impl Groups {
    pub(super) fn new(len: usize) -> Self {
        Self {
            parent: (0..len).collect(),
        }
    }

    fn root(&mut self, mut n: usize) -> usize {
        while self.parent[n] != n {
            self.parent[n] = self.parent[self.parent[n]];
            n = self.parent[n];
        }
        n
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The groups of two or more, each ascending, by their smallest number.
    pub(super) fn components(mut self) -> Vec<Vec<usize>> {
        let mut groups = BTreeMap::<usize, Vec<usize>>::new();
        for n in 0..self.parent.len() {
            let root = self.root(n);
            groups.entry(root).or_default().push(n);
        }
        groups.into_values().filter(|all| all.len() > 1).collect()
    }
}
