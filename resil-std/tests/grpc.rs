//! A gRPC server of tonic with health, and its client: over a real socket on loopback, in virtual time.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use resil_std::core::health::Groups;
use resil_std::health::{Check, HealthChecker, grpc};
use tokio::net::TcpListener;
use tonic::Code;
use tonic::codegen::tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_server_on_a_socket_answers_checks_and_tells_who_watches() {
    let is_up = Arc::new(AtomicBool::new(true));
    let says = Arc::clone(&is_up);
    let checker = HealthChecker::new();
    let peers = Check::new("peers", move || core::future::ready(says.load(Ordering::Relaxed)));
    checker.register(peers.groups(Groups::READINESS).ttl(Duration::from_secs(10))).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let health = grpc::server(&checker, &["mesh.Node"]);
    let server = Server::builder().add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let answer = client.check(of("mesh.Node")).await.unwrap().into_inner();
    assert_eq!(answer.status(), ServingStatus::Serving);
    assert_eq!(client.check(of("mesh.Other")).await.unwrap_err().code(), Code::NotFound);

    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    let mut told = async || watch.message().await.unwrap().unwrap().status();
    assert_eq!(told().await, ServingStatus::Serving);
    is_up.store(false, Ordering::Relaxed);
    assert_eq!(told().await, ServingStatus::NotServing);
    checker.unregister("peers");
    assert_eq!(told().await, ServingStatus::Serving);
}
