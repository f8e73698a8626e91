// The AssemblyScript types that the portable subset uses, as TypeScript sees them.
declare type i32 = number;
declare type u32 = number;
declare type usize = number;
