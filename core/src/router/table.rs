//! The index from mounts, and from hosts and paths, to what the router knows about them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::ops::Bound;

use crate::mount::Mount;
use crate::target;

/// A mount that the router knows, held or remembered. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MountId(pub(super) u64);

/// A path that leads to different mounts, depending on who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

/// Every known mount once.
#[derive(Debug, Default)]
pub(super) struct Table {
    anywhere: Paths,
    hosts: BTreeMap<Box<[u8]>, Paths>,
    /// Rooms and ports.
    others: BTreeMap<Mount, MountId>,
}

impl Table {
    pub(super) fn find(&self, mount: &Mount) -> Option<MountId> {
        match (mount.host(), mount.path()) {
            (Some(host), Some(path)) => self.hosts.get(host.as_bytes())?.find(path),
            (None, Some(path)) => self.anywhere.find(path),
            (_, None) => self.others.get(mount).copied(),
        }
    }

    pub(super) fn insert(&mut self, mount: &Mount, id: MountId) {
        match (mount.host(), mount.path()) {
            (Some(host), Some(path)) => {
                self.hosts.entry(host.as_bytes().into()).or_default().insert(path, id);
            }
            (None, Some(path)) => self.anywhere.insert(path, id),
            (_, None) => {
                self.others.insert(mount.clone(), id);
            }
        }
    }

    pub(super) fn remove(&mut self, mount: &Mount) {
        match (mount.host(), mount.path()) {
            (Some(host), Some(path)) => {
                if let Some(paths) = self.hosts.get_mut(host.as_bytes()) {
                    paths.remove(path);
                    if paths.0.is_empty() {
                        self.hosts.remove(host.as_bytes());
                    }
                }
            }
            (None, Some(path)) => self.anywhere.remove(path),
            (_, None) => {
                self.others.remove(mount);
            }
        }
    }

    /// The mount of a canonical path on a canonical host: the longest prefix on segment boundaries, any
    /// mount of the host before those of all hosts.
    ///
    /// # Errors
    /// [`Ambiguous`] if a backend that reads the path otherwise would see another mount (I25).
    pub(super) fn lookup(&self, host: Option<&[u8]>, path: &[u8]) -> Result<Option<MountId>, Ambiguous> {
        let found = self.longest(host, path);
        let mut others = target::readings(path).into_iter().flatten();
        let agrees = others.all(|reading| self.longest(host, &reading) == found);
        if agrees { Ok(found) } else { Err(Ambiguous) }
    }

    fn longest(&self, host: Option<&[u8]>, path: &[u8]) -> Option<MountId> {
        let of_host = host.and_then(|host| self.hosts.get(host)).and_then(|paths| paths.longest(path));
        of_host.or_else(|| self.anywhere.longest(path))
    }
}

/// Mount paths, the root as the empty path.
#[derive(Debug, Default)]
struct Paths(BTreeMap<Box<[u8]>, MountId>);

impl Paths {
    fn find(&self, path: &str) -> Option<MountId> {
        self.0.get(path.as_bytes()).copied()
    }

    fn insert(&mut self, path: &str, id: MountId) {
        self.0.insert(path.as_bytes().into(), id);
    }

    fn remove(&mut self, path: &str) {
        self.0.remove(path.as_bytes());
    }

    /// The longest prefix of `path` on segment boundaries.
    ///
    /// The greatest known path up to `path` shares with it every prefix that is known, since all of them
    /// sort between that prefix and `path`. So the search goes on with what both have in common: as many
    /// steps as that path has segments, whatever the number of mounts and the length of `path`.
    fn longest(&self, path: &[u8]) -> Option<MountId> {
        let mut prefix = path.strip_suffix(b"/").unwrap_or(path);
        loop {
            let up_to = (Bound::Unbounded, Bound::Included(prefix));
            let (nearest, &id) = self.0.range::<[u8], _>(up_to).next_back()?;
            if **nearest == *prefix {
                return Some(id);
            }
            prefix = common_segments(prefix, nearest);
        }
    }
}

/// The longest prefix of `path` that ends on a segment boundary and that `other` begins with. Shorter
/// than `path`, unless `other` begins with all of it.
fn common_segments<'a>(path: &'a [u8], other: &[u8]) -> &'a [u8] {
    let common = path.iter().zip(other).take_while(|(one, two)| one == two).count();
    let is_boundary = |at: &usize| path.get(*at).is_none_or(|&octet| octet == b'/');
    let end = (0..=common).rev().find(is_boundary).unwrap_or(0);
    path.get(..end).unwrap_or_default()
}
