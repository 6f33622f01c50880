//! An answer's heads on their way, interim ones and then the final: nearly always one.

use alloc::collections::VecDeque;
use serde::{Deserialize, Serialize};

use crate::message::ResponseHead;

/// Heads in order. One alone costs no allocation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "VecDeque<ResponseHead>", into = "VecDeque<ResponseHead>")]
pub(super) struct Heads {
    first: Option<ResponseHead>,
    /// Empty if there is no first.
    more: VecDeque<ResponseHead>,
}

impl Heads {
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn push_back(&mut self, head: ResponseHead) {
        if self.first.is_none() {
            self.first = Some(head);
        } else {
            self.more.push_back(head);
        }
    }

    pub(super) fn push_front(&mut self, head: ResponseHead) {
        if let Some(second) = self.first.replace(head) {
            self.more.push_front(second);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<ResponseHead> {
        let next = self.more.pop_front();
        core::mem::replace(&mut self.first, next)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ResponseHead> {
        self.first.iter_mut().chain(&mut self.more)
    }
}

impl From<VecDeque<ResponseHead>> for Heads {
    fn from(mut more: VecDeque<ResponseHead>) -> Self {
        Self { first: more.pop_front(), more }
    }
}

impl From<Heads> for VecDeque<ResponseHead> {
    fn from(Heads { first, mut more }: Heads) -> Self {
        if let Some(first) = first {
            more.push_front(first);
        }
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Headers;
    use bytes::Bytes;

    fn head(status: u16) -> ResponseHead {
        ResponseHead { status, reason: Bytes::new(), headers: Headers::new(), length: None, upgrade: None }
    }

    fn statuses(heads: &Heads) -> impl Iterator<Item = u16> {
        VecDeque::from(heads.clone()).into_iter().map(|head| head.status)
    }

    #[test]
    fn heads_leave_in_the_order_in_which_they_came_and_may_be_put_back() {
        let mut heads = Heads::default();
        assert!(heads.is_empty() && heads.pop_front().is_none());
        for status in [100, 103, 200] {
            heads.push_back(head(status));
        }
        assert!(statuses(&heads).eq([100, 103, 200]));
        assert!(statuses(&VecDeque::from(heads.clone()).into()).eq([100, 103, 200]));
        assert!(heads.iter_mut().map(|head| head.status).eq([100, 103, 200]));
        let first = heads.pop_front().expect("a head");
        assert_eq!((first.status, heads.is_empty()), (100, false));
        heads.push_front(first);
        assert!(statuses(&heads).eq([100, 103, 200]));
        for status in [100, 103, 200] {
            assert_eq!(heads.pop_front().map(|head| head.status), Some(status));
        }
        assert!(heads.is_empty());
        heads.push_front(head(204));
        heads.clear();
        assert!(heads.is_empty() && heads.pop_front().is_none());
    }
}
