//! End to end: the platform as it is started for real, on ports of its own, in folders of its own, asked over the network.

#[cfg(test)]
mod apart;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod process;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod site;
#[cfg(test)]
mod story;
