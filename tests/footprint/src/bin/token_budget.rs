//! A retry budget that is a bucket of tokens.
#![no_std]
#![no_main]

use resil_core::retry::budget::TokenBudget;

footprint::budget!(TokenBudget = TokenBudget::AWS);
