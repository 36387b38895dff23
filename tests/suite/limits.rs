//! Reservations and debts, limits that agree, changes of quota, warming up, classes: their laws.

mod all_of;
mod classes;
mod kept;
mod quota_change;
mod reserve;
mod warm_up;
