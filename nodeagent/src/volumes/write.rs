//! Puts files into a volume so that a reader sees all of the old or all of the new: a link is swapped, as upstream does.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::volumes::{Content, Files};

/// The link to the folder that holds the files now.
const DATA: &str = "..data";
const NEW_DATA: &str = "..data_tmp";

/// Makes the volume hold this, owned by the group if one is given. What is as it should be is left alone. Blocks.
pub fn write(volume: &Path, content: &Content, group: Option<u32>) -> io::Result<()> {
    let is_new = !volume.exists();
    fs::DirBuilder::new().recursive(true).mode(0o755).create(volume)?;
    match content {
        Content::Theirs if is_new => {
            let mode = if group.is_some() { 0o2777 } else { 0o777 };
            own(volume, group)?;
            fs::set_permissions(volume, Permissions::from_mode(mode))
        }
        Content::Theirs => Ok(()),
        Content::Files(files) => replace(volume, files, group),
    }
}

fn replace(volume: &Path, files: &Files, group: Option<u32>) -> io::Result<()> {
    let link = volume.join(DATA);
    let old = fs::read_link(&link).ok();
    if let Some(old) = &old
        && holds(&volume.join(old), files)
    {
        return Ok(());
    }
    let name = format!("..{}", uuid::Uuid::new_v4().simple());
    let folder = volume.join(&name);
    for (path, file) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&folder))?;
        fs::write(&path, &file.bytes)?;
        own(&path, group)?;
        // What a group is given for, it may read.
        let mode = if group.is_some() { file.mode | 0o040 } else { file.mode };
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    fs::create_dir_all(&folder)?;
    let new_link = volume.join(NEW_DATA);
    let _ = fs::remove_file(&new_link);
    symlink(&name, &new_link)?;
    fs::rename(&new_link, &link)?;
    link_all(volume, files)?;
    if let Some(old) = old {
        fs::remove_dir_all(volume.join(old))?;
    }
    Ok(())
}

/// A link for the first part of each path; those of files that went are taken away.
fn link_all(volume: &Path, files: &Files) -> io::Result<()> {
    let wanted: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for entry in fs::read_dir(volume)?.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| !name.starts_with("..") && !wanted.contains(name));
        if is_ours && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    for name in wanted {
        match symlink(PathBuf::from(DATA).join(name), volume.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether the folder holds exactly these files.
fn holds(folder: &Path, files: &Files) -> bool {
    let same = |(path, file): (&String, &crate::volumes::File)| {
        fs::read(folder.join(path)).is_ok_and(|bytes| bytes == file.bytes)
    };
    count(folder) == files.len() && files.iter().all(same)
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 }).sum()
}

/// Only root can give a file to a group that it is not in; others leave it as it is.
fn own(path: &Path, group: Option<u32>) -> io::Result<()> {
    match std::os::unix::fs::chown(path, None, group) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volumes::File;

    fn files(list: &[(&str, &str)]) -> Content {
        let file = |text: &str| File { bytes: text.as_bytes().to_vec(), mode: 0o640 };
        Content::Files(list.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect())
    }

    #[test]
    fn files_change_all_at_once_and_leave_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let volume = place.path().join("v");
        let read = |path: &str| fs::read_to_string(volume.join(path)).ok();
        write(&volume, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
        assert_eq!((read("a").as_deref(), read("sub/b").as_deref()), (Some("1"), Some("2")));
        assert_eq!(fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o777, 0o640);
        let data = fs::read_link(volume.join(DATA)).unwrap();
        write(&volume, &files(&[("a", "1"), ("sub/b", "2")]), None).unwrap();
        assert_eq!(fs::read_link(volume.join(DATA)).unwrap(), data);
        write(&volume, &files(&[("a", "3"), ("c", "4")]), None).unwrap();
        assert_eq!((read("a").as_deref(), read("c").as_deref(), read("sub/b")), (Some("3"), Some("4"), None));
        let mut names: Vec<String> =
            fs::read_dir(&volume).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("..") || name == DATA);
        names.sort();
        assert_eq!(names, [DATA, "a", "c"]);
        assert_eq!(fs::read_dir(&volume).unwrap().count(), 4);
    }

    #[test]
    fn an_empty_folder_is_for_everybody_and_keeps_what_is_put_there() {
        let place = tempfile::tempdir().unwrap();
        let volume = place.path().join("v");
        write(&volume, &Content::Theirs, None).unwrap();
        assert_eq!(fs::metadata(&volume).unwrap().permissions().mode() & 0o777, 0o777);
        fs::write(volume.join("kept"), "x").unwrap();
        write(&volume, &Content::Theirs, None).unwrap();
        assert!(volume.join("kept").exists());
    }
}
