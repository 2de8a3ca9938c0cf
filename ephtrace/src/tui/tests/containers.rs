//! Views with and without processes in containers.

use super::*;

/// Two destinations for 10 seconds; only connects to the first come from a container.
fn recording() -> Scene {
    let mut scene = Scene::new();
    let mut ports = [34_000, 42_000];
    for second in 0..10 {
        for (n, octet) in [2, 3].into_iter().enumerate() {
            ports[n] += 2;
            let ts_ns = START_NS + second * SECOND_NS;
            let container = (octet == 2).then(|| "0123456789ab".into());
            let assignment = assignment(ts_ns, octet, 443, Some(ports[n]));
            scene.event(Assignment { container, ..assignment });
        }
        scene.look(START_NS + (second + 1) * SECOND_NS);
    }
    scene
}

/// Returns the list without the lines above it.
fn list(scene: &mut Scene, width: u16) -> String {
    let text = scene.text(width, 24);
    text.lines().skip(16).map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn a_container_has_a_column() {
    let mut scene = recording();
    insta::assert_snapshot!(list(&mut scene, 130), @"
    [destinations 2] processes 2  failures 0  plots                                                                          by RATE/s
      DESTINATION                    RATE/s    COUNT FAILED   USE   STEP TRIED LAT(us) VERDICT         LAST PROCESS       CONTAINER
    a 10.0.0.2:443                      1.0       10      0     –     +2   1.0     1.9 per_destination 182 app            0123456789ab
    b 10.0.0.3:443                      1.0       10      0     –     +2   1.0     1.9 per_destination 183 app            –



    q quit  ? help  / filter  f failed  s sort  Tab list  Enter open  Space freeze  r reset
    ");
    scene.press("\t");
    insta::assert_snapshot!(list(&mut scene, 100), @"
     destinations 2 [processes 2] failures 0  plots                                            by RATE/s
         PID COMM             RATE/s    COUNT FAILED VERDICT         CONFIDENCE CONTAINER
         182 app                 1.0       10      0 per_destination 98.1 %     0123456789ab
         183 app                 1.0       10      0 per_destination 98.1 %     –



    q quit  ? help  / filter  f failed  s sort  Tab list  Enter open  Space freeze  r reset
    ");
    insta::assert_snapshot!(list(&mut scene, 80), @"
     destinations 2 [processes 2] failures 0  plots                        by RATE/s
         PID COMM             RATE/s    COUNT FAILED VERDICT         CONTAINER
         182 app                 1.0       10      0 per_destination 0123456789ab
         183 app                 1.0       10      0 per_destination –



    q quit ? help / filter f failed s sort Tab list Enter open Space freeze r reset
    ");
}

#[test]
fn a_container_is_in_what_is_told_of_one_destination() {
    let mut scene = recording();
    scene.press("\n");
    let text = scene.text(80, 24);
    let line = text.lines().find(|line| line.starts_with("last used by"));
    insta::assert_snapshot!(line.unwrap_or(&text), @"last used by 182 app in container 0123456789ab");
}
