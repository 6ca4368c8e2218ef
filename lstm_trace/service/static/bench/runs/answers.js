export const describe = () => ({}), step = describe, premises = describe, picture = describe, symbols = describe, at = describe;
