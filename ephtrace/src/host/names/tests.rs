//! Files as runtimes write them, in a root of the test's own.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    id::{ContainerId, PodUid},
    index::NameIndex,
    trusted::Root,
    watch::{LOOK_EVERY, Watcher},
};
use crate::model::task_names::Names;

/// Maximum time for names to appear.
const PATIENCE: Duration = Duration::from_secs(20);

const TASKS: &str = "run/containerd/io.containerd.runtime.v2.task/k8s.io";

fn id(n: usize) -> String {
    format!("{n:064x}")
}

struct Host {
    root: PathBuf,
    index: Arc<NameIndex>,
    watcher: Watcher,
}

impl Host {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("ephtrace-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let watcher = Watcher::new(vec![Root::open(&root).unwrap()]).unwrap();
        Self { root, index: Arc::default(), watcher }
    }

    fn folder(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn bundle(&self, n: usize, name: &str) {
        let text = format!(
            r#"{{"annotations":{{"io.kubernetes.cri.container-name":"{name}",
            "io.kubernetes.cri.image-name":"image:{name}",
            "io.kubernetes.cri.sandbox-name":"pod-{name}",
            "io.kubernetes.cri.sandbox-namespace":"shop"}}}}"#
        );
        self.put(&format!("{TASKS}/{}/config.json", id(n)), &text);
    }

    fn look(&mut self) {
        self.watcher.look(&Arc::downgrade(&self.index));
    }

    fn names(&self, n: usize) -> Names {
        self.index.find(ContainerId::new(&id(n)), None)
    }

    fn name(&self, n: usize) -> Option<String> {
        self.names(n).container_name.map(|name| name.to_string())
    }

    /// Takes changes until `is_there`.
    fn until(&mut self, is_there: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_there(self) {
            assert!(Instant::now() < end, "nothing has changed");
            assert!(self.watcher.turn(&Arc::downgrade(&self.index), LOOK_EVERY));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn files_that_are_there_are_read_at_the_start() {
    let mut host = Host::new("names-there");
    let docker = |n| {
        let config = format!(r#"{{"ID":"{}","Name":"/web","Config":{{"Image":"nginx"}}}}"#, id(n));
        (format!("var/lib/docker/containers/{}/config.v2.json", id(n)), config)
    };
    let (path, text) = docker(1);
    host.put(&path, &text);
    host.bundle(2, "nginx");
    let list = format!(r#"[{{"id":"{}","names":["pod"],"metadata":""}}]"#, id(3));
    host.put("var/lib/containers/storage/overlay-containers/volatile-containers.json", &list);
    let crio = r#"{"annotations":{"io.kubernetes.container.name":"crio"}}"#;
    let place = "run/containers/storage/overlay-containers";
    host.put(&format!("{place}/{}/userdata/config.json", id(4)), crio);
    host.put(&format!("var/log/containers/p_ns_c-{}.log", id(5)), "");
    let uid = "2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11";
    host.folder(&format!("var/log/pods/shop_web-0_{uid}/nginx"));
    let k3s = TASKS.replace("run/", "run/k3s/");
    host.put(&format!("{k3s}/{}/config.json", id(6)), r#"{"annotations":{"nerdctl/name":"k3s"}}"#);
    host.look();
    let found: Vec<Option<String>> = (0..7).map(|n| host.name(n)).collect();
    let expected =
        [None, Some("web"), Some("nginx"), Some("pod"), Some("crio"), Some("c"), Some("k3s")];
    assert_eq!(found, expected.map(|name| name.map(str::to_owned)));
    assert_eq!(host.names(2).full_pod().as_deref(), Some("shop/pod-nginx"));
    assert_eq!(host.index.find(None, PodUid::new(uid)).full_pod().as_deref(), Some("shop/web-0"));
}

#[test]
fn runtimes_that_start_later_are_found() {
    let mut host = Host::new("names-later");
    host.look();
    host.bundle(1, "late");
    host.until(|host| host.name(1).is_some());
    let path = format!("var/lib/docker/containers/{}/config.v2.json", id(2));
    let text = |name| format!(r#"{{"ID":"{}","Name":"/{name}"}}"#, id(2));
    host.put(&path, &text("web"));
    host.until(|host| host.name(2).is_some());
    // As docker writes it: beside, then renamed.
    host.put(&format!("{path}.tmp"), &text("renamed"));
    fs::rename(host.root.join(format!("{path}.tmp")), host.root.join(path)).unwrap();
    host.until(|host| host.name(2).as_deref() == Some("renamed"));
}

#[test]
fn a_container_that_is_gone_keeps_its_name() {
    let mut host = Host::new("names-gone");
    host.folder(TASKS);
    host.look();
    host.bundle(1, "short");
    host.until(|host| host.name(1).is_some());
    fs::remove_dir_all(host.root.join(TASKS)).unwrap();
    host.bundle(2, "next");
    host.until(|host| host.name(2).is_some());
    assert_eq!(host.name(1).as_deref(), Some("short"));
}

#[test]
fn half_a_file_tells_nothing_until_it_is_whole() {
    let mut host = Host::new("names-half");
    let folder = host.folder(&format!("{TASKS}/{}", id(1)));
    fs::write(folder.join("config.json"), r#"{"annotations":{"nerdctl/na"#).unwrap();
    host.look();
    assert_eq!(host.name(1), None);
    fs::write(folder.join("config.json"), r#"{"annotations":{"nerdctl/name":"web"}}"#).unwrap();
    host.until(|host| host.name(1).is_some());
}

#[test]
fn ten_thousand_containers_come_and_go_within_the_same_room() {
    let mut host = Host::new("names-many");
    host.folder(TASKS);
    host.look();
    let most = host.watcher.watched() + 1;
    for n in 0..10_000 {
        host.bundle(n, &format!("c{n}"));
        host.until(|host| host.name(n).is_some());
        assert_eq!(host.name(n), Some(format!("c{n}")));
        fs::remove_dir_all(host.root.join(format!("{TASKS}/{}", id(n)))).unwrap();
        assert!(host.watcher.watched() <= most, "{} directories", host.watcher.watched());
    }
    assert!(host.index.len() <= 4096, "{}", host.index.len());
}
