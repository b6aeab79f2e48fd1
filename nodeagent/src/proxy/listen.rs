//! Opens the sockets that entries are served on, and explains why one cannot be opened.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use nix::errno::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};

/// How many connections may wait to be taken; the kernel may allow fewer.
const BACKLOG: i32 = 1_024;

/// A listener whose connections send small pieces at once: they inherit the option.
pub fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM)?;
    // A server that starts again need not wait for connections of its former life.
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

pub fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address, Type::DGRAM)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// A socket for datagrams between one client and its endpoint.
pub fn udp_to(endpoint: SocketAddr, client: IpAddr) -> io::Result<UdpSocket> {
    let connect = |socket: Socket| socket.connect(&endpoint.into()).map(|()| socket);
    let socket = open(endpoint, Type::DGRAM)?;
    keep_address(&socket, client, endpoint);
    let socket = match connect(socket) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => connect(open(endpoint, Type::DGRAM)?)?,
        other => other?,
    };
    UdpSocket::from_std(socket.into())
}

fn open(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Lets an endpoint on the loopback see its client's address, as it would without a proxy. Any loopback address can
/// be sent from; all others are lost here, and endpoints see the node's.
pub fn keep_address(socket: &impl AsFd, client: IpAddr, endpoint: SocketAddr) {
    let is_default = client == IpAddr::from(Ipv4Addr::LOCALHOST) || client == IpAddr::from(Ipv6Addr::LOCALHOST);
    if is_default || !client.is_loopback() || !endpoint.ip().is_loopback() || client.is_ipv4() != endpoint.is_ipv4() {
        return;
    }
    // The kernel then chooses the port when it knows the other end, so that there are as many to each endpoint.
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true).ok();
    // Without it the endpoint sees 127.0.0.1: less, but it works.
    SockRef::from(socket).bind(&SocketAddr::new(client, 0).into()).ok();
}

/// Why an address cannot be listened on, and what helps.
pub fn explain(error: &io::Error, address: SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "permission denied: an ordinary user may not listen on port {}; give the program the capability \
             CAP_NET_BIND_SERVICE, lower net.ipv4.ip_unprivileged_port_start, or use a port from 1024 up",
            address.port()
        ),
        io::ErrorKind::AddrInUse => "address in use: another program on this machine listens there".to_owned(),
        io::ErrorKind::AddrNotAvailable => {
            "not an address of this machine: a user-space proxy serves only those; all of 127.0.0.0/8 are".to_owned()
        }
        _ if is_exhaustion(error) => format!("{error}: this process may open no more files (ulimit -n)"),
        _ => error.to_string(),
    }
}

/// May the same succeed a little later?
pub fn is_temporary(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse || is_exhaustion(error)
}

/// Is it descriptors or memory that lack?
pub fn is_exhaustion(error: &io::Error) -> bool {
    let lacks = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    error.raw_os_error().is_some_and(|code| lacks.contains(&Errno::from_raw(code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_address_is_said_with_what_helps() {
        let told = |errno: Errno| explain(&io::Error::from(errno), "127.96.0.1:443".parse().unwrap());
        assert!(told(Errno::EACCES).contains("port 443") && told(Errno::EACCES).contains("CAP_NET_BIND_SERVICE"));
        assert!(told(Errno::EADDRINUSE).contains("another program"));
        assert!(told(Errno::EADDRNOTAVAIL).contains("127.0.0.0/8"));
        assert!(told(Errno::EMFILE).contains("ulimit"));
        let is_temporary = |errno: Errno| is_temporary(&io::Error::from(errno));
        assert!(is_temporary(Errno::EADDRINUSE) && is_temporary(Errno::EMFILE));
        assert!(!is_temporary(Errno::EACCES) && !is_temporary(Errno::EADDRNOTAVAIL));
    }
}
