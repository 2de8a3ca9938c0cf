//! Paths of cgroups as runtimes write them, and remembered results.

use std::fs;

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn paths_of_containers() {
    for path in [
        "/docker/ID",
        "/system.slice/docker-ID.scope",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "/machine.slice/libpod-ID.scope",
        "/libpod_parent/libpod-ID",
        "/kubepods/besteffort/pod2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11/ID",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2f1d.slice/\
         cri-containerd-ID.scope",
        "/kubepods.slice/kubepods-pod2f1d.slice/crio-ID.scope",
        "/kubepods.slice/kubepods-pod2f1d.slice/crio-ID.scope/container",
        "/system.slice/containerd.service/kubepods-burstable-pod2f1d.slice:cri-containerd:ID",
        "/system.slice/nerdctl-ID.scope",
        "/default/ID",
        "/ecs/1f0e3dad99908345f7439f8ffabdffc4/ID",
        "/actions_job/ID/init.scope",
    ] {
        let path = path.replace("ID", ID);
        assert_eq!(container_of(&path).as_deref(), Some("0123456789ab"), "{path}");
    }
}

#[test]
fn the_innermost_counts() {
    let inner = ID.replace("0123", "feed");
    let path = format!("/docker/{ID}/kubelet.slice/cri-containerd-{inner}.scope");
    assert_eq!(container_of(&path).as_deref(), Some("feed456789ab"));
}

#[test]
fn paths_with_names() {
    for (path, name) in [
        ("/lxc/web/init.scope", "web"),
        ("/lxc/101/ns", "101"),
        ("/lxc.payload.web/system.slice/nginx.service", "web"),
        ("/lxc.payload/web", "web"),
        ("/machine.slice/systemd-nspawn@build.service/payload", "build"),
        ("/machine.slice/machine-build\\x2dbox.scope", "build-box"),
    ] {
        assert_eq!(container_of(path).as_deref(), Some(name), "{path}");
    }
}

#[test]
fn paths_of_no_container() {
    for path in [
        "",
        "/",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/ssh.service",
        "/user.slice/user-1000.slice/session-3.scope",
        "/lxc.monitor.web",
        "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        "/machine.slice/libpod-conmon-ID.scope",
        "/kubepods.slice/crio-conmon-ID.scope",
        "/docker/notIDatall",
        "/docker/ÄID",
        "/ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜ",
    ] {
        let path = path.replace("ID", ID);
        assert_eq!(container_of(&path), None, "{path}");
    }
}

struct Proc(PathBuf);

impl Proc {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ephtrace-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("cgroup")).unwrap();
        Self(path)
    }

    fn containers(&self) -> Containers {
        Containers::below(self.0.clone(), Some(self.0.join("cgroup")))
    }

    /// Creates a cgroup; returns its id.
    fn make(&self, path: &str) -> u64 {
        let folder = self.0.join("cgroup").join(path.trim_start_matches('/'));
        fs::create_dir_all(&folder).unwrap();
        fs::metadata(folder).unwrap().ino()
    }

    fn put(&self, pid: u32, cgroup: &str) {
        let dir = self.0.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cgroup"), cgroup).unwrap();
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_cgroup_is_looked_at_once() {
    let proc = Proc::new("once");
    let (docker, ssh) = (format!("/docker/{ID}"), "/system.slice/ssh.service");
    let (in_docker, in_ssh) = (proc.make(&docker), proc.make(ssh));
    let mut containers = proc.containers();
    proc.put(1, &format!("0::{docker}\n"));
    proc.put(2, &format!("0::{ssh}\n"));
    assert_eq!(containers.container(1, Some(in_docker), 0).as_deref(), Some("0123456789ab"));
    assert_eq!(containers.container(2, Some(in_ssh), 0), None);
    proc.put(1, "0::/other\n");
    proc.put(2, &format!("0::{docker}\n"));
    let late = u64::MAX;
    assert_eq!(containers.container(9, Some(in_docker), late).as_deref(), Some("0123456789ab"));
    assert_eq!(containers.container(2, Some(in_ssh), late), None);
}

#[test]
fn a_process_that_is_gone_is_no_answer_for_its_cgroup() {
    let proc = Proc::new("gone");
    let docker = format!("/docker/{ID}");
    let id = proc.make(&docker);
    let mut containers = proc.containers();
    for pid in 10..20 {
        assert_eq!(containers.container(pid, Some(id), 0), None);
    }
    proc.put(2, &format!("0::{docker}\n"));
    assert_eq!(containers.container(2, Some(id), 0).as_deref(), Some("0123456789ab"));
    assert_eq!(containers.container(3, Some(id), 0).as_deref(), Some("0123456789ab"));
}

#[test]
fn a_process_that_has_moved_is_no_answer_for_its_cgroup() {
    let proc = Proc::new("moved");
    let (docker, ssh) = (format!("/docker/{ID}"), "/system.slice/ssh.service");
    let (_, in_ssh) = (proc.make(&docker), proc.make(ssh));
    let mut containers = proc.containers();
    proc.put(1, &format!("0::{docker}\n"));
    proc.put(2, &format!("0::{ssh}\n"));
    containers.container(1, Some(in_ssh), 0);
    assert_eq!(containers.container(2, Some(in_ssh), 0), None);
}

#[test]
fn where_cgroup_v1_tells_processes_of_one_cgroup_are_told_apart() {
    let proc = Proc::new("hybrid");
    let id = proc.make("/system.slice/containerd.service");
    let other = ID.replace("0123", "feed");
    let mut containers = proc.containers();
    proc.put(1, &format!("4:memory:/docker/{ID}\n0::/system.slice/containerd.service\n"));
    proc.put(2, &format!("4:memory:/docker/{other}\n0::/system.slice/containerd.service\n"));
    proc.put(3, "4:memory:/system.slice\n0::/system.slice/containerd.service\n");
    for _ in 0..2 {
        assert_eq!(containers.container(3, Some(id), 0), None);
        assert_eq!(containers.container(1, Some(id), 0).as_deref(), Some("0123456789ab"));
        assert_eq!(containers.container(2, Some(id), 0).as_deref(), Some("feed456789ab"));
    }
}

#[test]
fn where_all_are_in_the_root_processes_are_told_apart() {
    let proc = Proc::new("root");
    let mut containers = proc.containers();
    proc.put(1, &format!("4:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n"));
    proc.put(2, "4:memory:/\n0::/\n");
    for cgroup in [Some(ROOT_ID), None] {
        assert_eq!(containers.container(1, cgroup, 0).as_deref(), Some("0123456789ab"));
        assert_eq!(containers.container(2, cgroup, 0), None);
    }
    // Another process has got the id.
    proc.put(1, "0::/\n");
    assert!(containers.container(1, None, PID_STANDS_NS - 1).is_some());
    assert_eq!(containers.container(1, None, PID_STANDS_NS), None);
}

#[test]
fn a_container_is_found_below_the_mount() {
    let mount = std::env::temp_dir().join(format!("ephtrace-cgroups-{}", std::process::id()));
    let id = |digit: &str| digit.repeat(64);
    let pod = mount.join("kubepods.slice/kubepods-pod1.slice");
    let outer = pod.join(format!("cri-containerd-{}.scope", id("a")));
    let folders = [
        outer.join("inner"),
        outer.join(format!("docker-{}.scope", id("c"))),
        mount.join(format!("system.slice/docker-{}.scope", id("b"))),
        mount.join("lxc/web"),
    ];
    for folder in &folders {
        fs::create_dir_all(folder).unwrap();
    }
    let found = |text: &str| {
        let mut found = cgroups_of(&mount, &ContainerName::new(text)).unwrap();
        found.sort();
        found.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
    };
    let of = [found("aaaa"), found(&id("c")), found("bbbbbbbbbbbb"), found("web"), found("we")];
    fs::remove_dir_all(&mount).unwrap();
    let [_, inside, other, named] = folders;
    assert_eq!(of, [vec![outer], vec![inside], vec![other], vec![named], vec![]]);
}
