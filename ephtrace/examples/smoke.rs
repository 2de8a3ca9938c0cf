//! temporary
use ephtrace::{kernel::*, decode};
use zerocopy::FromZeros;
fn main() {
    env_logger::init();
    let support = support::Support::gather(None);
    println!("{support:?}");
    let filter = ephtrace_common::Filter::new_zeroed();
    let opt = attach::Options { filter: &filter, ring_bytes: 1<<23, log_level: 0 };
    let hook = std::env::args().nth(1).map(|h| match h.as_str() {"fentry"=>hooks::Hook::Fentry,"kprobe"=>hooks::Hook::Kprobe,_=>hooks::Hook::SockOps});
    let t0 = std::time::Instant::now();
    let mut t = attach::attach(hook, &support, &opt).unwrap_or_else(|e| { println!("{e}\n{e:?}"); std::process::exit(1) });
    println!("attached {:?} {:?} in {:?}", t.hook, t.passed_over, t0.elapsed());
    let mut ring = ring::Ring::new(t.take_ring().unwrap());
    let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let l6 = std::net::TcpListener::bind("[::1]:0").unwrap();
    for _ in 0..3 { let s = std::net::TcpStream::connect(l.local_addr().unwrap()).unwrap(); println!("{}", s.local_addr().unwrap()); 
     let s = std::net::TcpStream::connect(l6.local_addr().unwrap()).unwrap(); println!("{}", s.local_addr().unwrap()); }
    let m = decode::Machine { unix_offset_ns: 0, salt_jiffies: Some(2500) };
    ring.drain(|b| { println!("{:?}", decode::decode(b, &m)); Ok::<_,()>(()) }).unwrap();
    println!("{:?}", t.counts());
    t.detach_start(); t.detach_end();
}
