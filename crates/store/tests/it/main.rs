//! The store at its boundary: a real SQLite file in a folder of its own for each test.

#[cfg(test)]
mod durability;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod pruning;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod schema;
