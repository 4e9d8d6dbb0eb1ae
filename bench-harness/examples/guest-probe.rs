//! Runs inside the guests of `peregrine-bench kernels`: loads the kernel object and says which programs the kernel took.

fn main() {
    println!("@note probe: not built yet");
}
