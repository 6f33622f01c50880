//! Under which URLs the mounts of a line are public, as the plugboard tells it.

use telephone_core::log_limit::{Due, LineKind};
use telephone_core::wire::MountUrl;

use super::Line;
use crate::log;
use crate::runtime::Runtime;

impl<R: Runtime> Line<R> {
    /// Shows the URLs that are new, each with what it leads to. Those of other mounts than this line serves do not count.
    pub(super) fn on_site(&self, mut urls: Vec<MountUrl>) {
        let scope = self.scope();
        urls.retain(|one| scope.contains(&one.mount));
        let shown = self.status.set_urls(self.index, &urls);
        urls.retain(|one| !shown.contains(one));
        if urls.is_empty() {
            return;
        }
        let Some(Due { suppressed, .. }) = self.log(LineKind::SiteTold) else { return };
        for MountUrl { mount, url } in urls {
            let (url, target) = (log::shown(url), self.config.target(&mount));
            tracing::info!(suppressed, "{url} → {target}");
        }
    }
}
