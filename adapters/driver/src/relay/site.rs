//! The public URLs of a session's mounts, as its telephone shows them.

use telephone_core::mount::Mount;
use telephone_core::site::SiteUrl;
use telephone_core::wire::MountUrl;

use super::RelayConfig;

/// Where the mounts of one session are public.
#[derive(Debug, Clone)]
pub(super) struct Site {
    url: SiteUrl,
    has_rooms: bool,
}

impl Site {
    /// The site of the configuration, or else the one that the telephone dialled.
    pub(super) fn of(config: &RelayConfig, dialled: Option<SiteUrl>) -> Option<Self> {
        let url = config.site_url.clone().or(dialled)?;
        Some(Self { url, has_rooms: config.rooms.is_some() })
    }

    /// The mounts that have a URL, each with it.
    pub(super) fn urls(&self, mounts: &[Mount]) -> Vec<MountUrl> {
        let url = |mount: &Mount| {
            let url = self.url.url(mount, self.has_rooms)?;
            Some(MountUrl { mount: mount.to_string(), url })
        };
        mounts.iter().filter_map(url).collect()
    }
}
