//! Whether the after-action of a watch could be done, for `check`: nothing is written.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, accessat, stat, statvfs};
use rustix::io::Errno;

use super::witness::leads_into;
use crate::config::{AfterUpload, Watch};
use crate::job::printable;

/// What there is to say, a line each; nothing where files are kept.
pub fn check(watch: &Watch) -> Vec<String> {
    let to = match &watch.after_upload {
        AfterUpload::Keep => return Vec::new(),
        AfterUpload::Delete => None,
        AfterUpload::Move(to) => Some(to),
    };
    let mut said = vec![writable(&watch.path)];
    if let Some(to) = to {
        said.push(writable(to));
        if leads_into(to, &watch.path) {
            let to = printable(to);
            said.push(format!("{to} is the drop folder, or lies in it: nothing can be moved there; name another folder"));
            return said;
        }
        if let Ok((from, to)) = stat(&watch.path).and_then(|from| Ok((from, stat(to)?)))
            && from.st_dev != to.st_dev
        {
            let text =
                "move_to is on another file system: files are copied there, and compared by md5";
            said.push(text.to_owned());
        }
    }
    said
}

fn writable(folder: &Path) -> String {
    let path = printable(folder);
    let access = Access::WRITE_OK | Access::EXEC_OK;
    let tried = accessat(CWD, folder, access, AtFlags::EACCESS);
    let read_only = || {
        let mounted = statvfs(folder).map(|about| about.f_flag);
        mounted.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY))
    };
    match tried {
        Ok(()) if read_only() => {
            format!("{path} is mounted read-only: no file there can be moved or deleted")
        }
        Ok(()) => format!("{path} is writable for the after-action"),
        Err(Errno::NOENT) => {
            format!("{path} is not there: make it, or mount it; files wait for it")
        }
        Err(error) => format!("{path} is not writable for the after-action ({error})"),
    }
}
