use super::*;
use crate::codec::commands::places;

fn user(name: &str, role: Role, wallets: &[&str]) -> UserSettings {
    UserSettings {
        name: User::new(name.as_bytes()).unwrap(),
        secret: Secret::of(name).unwrap(),
        role,
        wallets: wallets.iter().map(|&wallet| wallet.to_owned()).collect(),
        commands: Vec::new(),
        rate_per_second: 0,
        in_flight_max: 0,
    }
}

fn place(name: &str) -> usize {
    places().find(|(_, command)| command.name == name).unwrap().0
}

#[test]
fn only_the_right_password_of_the_right_user_is_taken() {
    let access = Access::new(&[user("ann", Role::Read, &[]), user("bob", Role::Admin, &[])], None);
    assert_eq!(access.verify(b"ann", b"ann").unwrap().name.as_str(), "ann");
    for (name, password) in
        [("ann", "bob"), ("bob", "ann"), ("eve", "ann"), ("", "ann"), ("ann", ""), ("ANN", "ann")]
    {
        assert!(access.verify(name.as_bytes(), password.as_bytes()).is_none(), "{name} {password}");
    }
    assert!(access.verify(b"\xff", b"ann").is_none());
    assert!(Access::new(&[], None).verify(b"ann", b"ann").is_none());
}

#[test]
fn wallets_are_names_and_prefixes() {
    let account = Account::new(&user("ann", Role::Read, &["acme:*", "x"]), Arc::default());
    let judged = |command: &str, wallet: &str| {
        account.permits(place(command), Some(&WalletId::new(wallet.as_bytes()).unwrap()))
    };
    for (wallet, expected) in [
        ("acme:", Ok(())),
        ("acme:1", Ok(())),
        ("x", Ok(())),
        ("xy", Err(Denied::Wallet)),
        ("acme", Err(Denied::Wallet)),
        ("ACME:1", Err(Denied::Wallet)),
    ] {
        assert_eq!(judged("balance", wallet), expected, "{wallet}");
    }
    assert_eq!(judged("charge", "x"), Err(Denied::Command));
}

#[test]
fn a_rate_allows_a_second_at_once_and_then_its_pace() {
    let settings = UserSettings { rate_per_second: 10, ..user("ann", Role::Read, &[]) };
    let access = Access::new(std::slice::from_ref(&settings), None);
    let account = access.verify(b"ann", b"ann").unwrap();
    let at = |account: &Account, now: i64| (0..100).filter(|_| account.admit(now).is_ok()).count();
    assert_eq!(at(&account, 1_000_000), 10);
    assert_eq!(at(&account, 1_000_100), 1);
    // Who reads the configuration again does not forget.
    let account = Access::new(&[settings], Some(&access)).current(&account).unwrap();
    assert_eq!(at(&account, 1_000_100), 0);
    assert_eq!(at(&account, 1_060_000), 10);
    let slow = UserSettings { rate_per_second: 1, ..user("ann", Role::Read, &[]) };
    assert_eq!(at(&Account::new(&slow, Arc::default()), 5), 1);
}

#[test]
fn what_is_in_flight_is_bounded() {
    let settings = UserSettings { in_flight_max: 2, ..user("ann", Role::Read, &[]) };
    let account = Account::new(&settings, Arc::default());
    assert_eq!((account.admit(0), account.admit(0)), (Ok(true), Ok(true)));
    assert_eq!(account.admit(0), Err(Denied::InFlight));
    account.settle(1);
    assert_eq!((account.admit(0), account.admit(0)), (Ok(true), Err(Denied::InFlight)));
}

#[test]
fn a_user_with_another_secret_is_another_user() {
    let before = Access::new(&[user("ann", Role::Read, &[])], None);
    let ann = before.verify(b"ann", b"ann").unwrap();
    let richer = UserSettings { role: Role::Admin, ..user("ann", Role::Read, &[]) };
    assert!(Access::new(&[richer], Some(&before)).current(&ann).is_none());
    assert!(Access::new(&[], Some(&before)).current(&ann).is_none());
}
